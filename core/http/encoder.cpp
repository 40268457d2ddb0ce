#include "core/http/encoder.hpp"

#include "core/http/detail/encoders.hpp"

namespace gatehouse::http {
namespace {

std::unique_ptr<Encoder> make(Coding coding) {
  switch (coding) {
    case Coding::identity:
      return nullptr;
    case Coding::gzip:
      return detail::make_gzip();
    case Coding::br:
      return detail::make_brotli();
    case Coding::zstd:
      return detail::make_zstd();
  }
  return nullptr;
}

}  // namespace

Encoders::Loan::Loan(Loan&& other) noexcept
    : owner_(other.owner_), coding_(other.coding_), encoder_(std::move(other.encoder_)) {}

Encoders::Loan& Encoders::Loan::operator=(Loan&& other) noexcept {
  if (this != &other) {
    give_back();
    owner_ = other.owner_;
    coding_ = other.coding_;
    encoder_ = std::move(other.encoder_);
  }
  return *this;
}

void Encoders::Loan::give_back() {
  if (encoder_) owner_->take_back(coding_, std::move(encoder_));
}

Encoders::Loan Encoders::take(Coding coding, std::optional<std::uint64_t> octets) {
  if (lent_ >= most_lent) return {};
  auto& idle = idle_[static_cast<std::size_t>(coding)];
  std::unique_ptr<Encoder> encoder;
  if (idle.empty()) {
    encoder = make(coding);
  } else {
    encoder = std::move(idle.back());
    idle.pop_back();
  }
  if (!encoder || !encoder->begin(octets)) return {};
  ++lent_;
  return Loan(*this, coding, std::move(encoder));
}

void Encoders::take_back(Coding coding, std::unique_ptr<Encoder> encoder) {
  --lent_;
  auto& idle = idle_[static_cast<std::size_t>(coding)];
  if (idle.size() < most_idle) idle.push_back(std::move(encoder));
}

std::size_t Encoders::idle() const {
  std::size_t count = 0;
  for (const auto& each : idle_) count += each.size();
  return count;
}

}  // namespace gatehouse::http
