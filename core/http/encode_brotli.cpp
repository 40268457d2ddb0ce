#include <brotli/encode.h>

#include <algorithm>
#include <limits>

#include "core/http/detail/encoders.hpp"

namespace gatehouse::http::detail {
namespace {

// Quality 4 is the last that needs no more than a MiB and keeps up with a network.
constexpr std::uint32_t quality = 4;
constexpr std::uint32_t brotli_window_bits = 17;

class Brotli final : public Encoder {
 public:
  Brotli() = default;
  Brotli(const Brotli&) = delete;
  Brotli& operator=(const Brotli&) = delete;
  ~Brotli() override { drop(); }

  /// The library cannot begin anew: each body has a state of its own, freed when the next begins.
  bool begin(std::optional<std::uint64_t> octets) override {
    drop();
    state_ = ::BrotliEncoderCreateInstance(nullptr, nullptr, nullptr);
    if (state_ == nullptr) return false;
    ::BrotliEncoderSetParameter(state_, BROTLI_PARAM_QUALITY, quality);
    ::BrotliEncoderSetParameter(state_, BROTLI_PARAM_LGWIN, brotli_window_bits);
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
    const auto hint = static_cast<std::uint32_t>(std::min(octets.value_or(0), most));
    ::BrotliEncoderSetParameter(state_, BROTLI_PARAM_SIZE_HINT, hint);
    return true;
  }

  std::optional<Step> encode(std::string_view& in, std::span<char> out, Until until) override {
    const auto* next_in = reinterpret_cast<const std::uint8_t*>(in.data());
    auto* next_out = reinterpret_cast<std::uint8_t*>(out.data());
    std::size_t in_left = in.size();
    std::size_t room = out.size();
    if (::BrotliEncoderCompressStream(state_, operation(until), &in_left, &next_in, &room,
                                      &next_out, nullptr) == BROTLI_FALSE) {
      return {};
    }
    in.remove_prefix(in.size() - in_left);
    Step step;
    step.written = out.size() - room;
    step.done = in.empty();
    if (until == Until::flushed) {
      step.done = step.done && ::BrotliEncoderHasMoreOutput(state_) == BROTLI_FALSE;
    }
    if (until == Until::ended) step.done = ::BrotliEncoderIsFinished(state_) == BROTLI_TRUE;
    return step;
  }

 private:
  void drop() {
    if (state_ != nullptr) ::BrotliEncoderDestroyInstance(state_);
    state_ = nullptr;
  }
  static BrotliEncoderOperation operation(Until until) {
    switch (until) {
      case Until::taken:
        return BROTLI_OPERATION_PROCESS;
      case Until::flushed:
        return BROTLI_OPERATION_FLUSH;
      case Until::ended:
        return BROTLI_OPERATION_FINISH;
    }
    return BROTLI_OPERATION_PROCESS;
  }

  BrotliEncoderState* state_ = nullptr;
};

}  // namespace

std::unique_ptr<Encoder> make_brotli() { return std::make_unique<Brotli>(); }

}  // namespace gatehouse::http::detail
