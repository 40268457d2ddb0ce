#include "core/base/letterbox.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace gatehouse {
namespace {

int new_bell() {
  const int bell = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (bell < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  return bell;
}

}  // namespace

asio::execution_context::id Letterbox::id;

Letterbox::Letterbox(asio::execution_context& context)
    : service(context),
      context_(static_cast<asio::io_context&>(context)),
      bell_(context_, new_bell()),
      bell_fd_(bell_.native_handle()) {
  wait();
}

Letterbox::~Letterbox() = default;

void Letterbox::open(asio::io_context& context) { asio::use_service<Letterbox>(context); }

Letterbox* Letterbox::of(asio::execution_context& context) {
  // It is made by open() only: use_service() would make one for a pool of threads as well.
  if (!asio::has_service<Letterbox>(context)) return nullptr;
  return &asio::use_service<Letterbox>(static_cast<asio::io_context&>(context));
}

void Letterbox::put(std::unique_ptr<Letter> letter) {
  Letter* const mine = letter.release();
  Letter* below = latest_.load(std::memory_order_relaxed);
  do {
    mine->below_ = below;
  } while (!latest_.compare_exchange_weak(below, mine, std::memory_order_release,
                                          std::memory_order_relaxed));
  // From here on the letter is the other thread's.
  if (below != nullptr) return;  // who was first has rung, and nobody has collected since
  const std::uint64_t one = 1;
  // Refused only where it has been rung 2^64 - 2 times.
  [[maybe_unused]] const auto rung = ::write(bell_fd_, &one, sizeof one);
}

void Letterbox::wait() {
  bell_.async_wait(asio::posix::stream_descriptor::wait_read,
                   [this](const boost::system::error_code& failed) {
                     if (failed) return;
                     collect();
                     wait();
                     open_all();
                   });
}

void Letterbox::collect() {
  std::uint64_t rings = 0;
  [[maybe_unused]] const auto heard = ::read(bell_fd_, &rings, sizeof rings);
  Letter* letter = latest_.exchange(nullptr, std::memory_order_acquire);
  Letter* oldest = nullptr;
  while (letter != nullptr) {
    Letter* const below = std::exchange(letter->below_, oldest);
    oldest = std::exchange(letter, below);
  }
  Letter** end = &next_;
  while (*end != nullptr) end = &(*end)->below_;
  *end = oldest;
}

void Letterbox::open_all() {
  struct Rest {  // somebody threw: it is our bug, and no reason why the others should wait for ever
    Letterbox& self;
    ~Rest() {
      if (self.next_ != nullptr) asio::post(self.context_, [&box = self] { box.open_all(); });
    }
  };
  const Rest rest{*this};
  while (next_ != nullptr) {
    const std::unique_ptr<Letter> letter(std::exchange(next_, next_->below_));
    letter->open();
  }
}

void Letterbox::drop(Letter* letter) {
  while (letter != nullptr) {
    const std::unique_ptr<Letter> dropped(std::exchange(letter, letter->below_));
  }
}

/// The io_context ends: so do all that wait for an answer, and what their frames hold.
void Letterbox::shutdown() {
  boost::system::error_code ignored;
  bell_.close(ignored);
  drop(std::exchange(next_, nullptr));
  drop(latest_.exchange(nullptr, std::memory_order_acquire));
}

}  // namespace gatehouse
