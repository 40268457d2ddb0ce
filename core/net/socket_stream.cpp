#include "core/net/socket_stream.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "core/net/socket_calls.hpp"
#include "core/net/tcp_options.hpp"

namespace gatehouse::net {
namespace {

int made_ready(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  if ((flags & O_NONBLOCK) == 0) ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
  no_delay(descriptor);
  return descriptor;
}

}  // namespace

SocketStream::SocketStream(Socket socket, DeadlineWheel& wheel, Side side)
    : SocketStream(socket.get_executor(), made_ready(socket.release()), wheel, side) {}

SocketStream::SocketStream(const asio::any_io_executor& executor, int descriptor,
                           DeadlineWheel& wheel, Side side)
    : Stream(side),
      fd_(descriptor),
      watch_(Readiness::of(executor), fd_),
      read_(wheel, this, &SocketStream::read_overdue),
      write_(wheel, this, &SocketStream::write_overdue) {}

SocketStream::~SocketStream() { close(); }

IoResult SocketStream::failure(int code, std::string_view doing) {
  fail(Fault::closed, std::string(doing) + ": " + std::generic_category().message(code));
  return {IoState::failed, 0};
}

IoResult SocketStream::try_read(std::span<char> into) {
  if (closed_) return failure(ECONNABORTED, "read");
  if (watch_.dry()) return {IoState::want_read, 0};
  for (;;) {
    const ssize_t got = net::receive(fd_, into.data(), into.size(), 0);
    if (got > 0) {
      const auto bytes = static_cast<std::size_t>(got);
      if (bytes < into.size()) watch_.ran_dry();
      return {IoState::done, bytes};
    }
    if (got == 0) return {IoState::end, 0};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      watch_.ran_dry();
      return {IoState::want_read, 0};
    }
    return failure(errno, "read");
  }
}

IoResult SocketStream::try_write(std::string_view from) {
  if (closed_) return failure(ECONNABORTED, "write");
  for (;;) {
    const ssize_t put = net::send(fd_, from.data(), from.size(), MSG_NOSIGNAL);
    if (put >= 0) return {IoState::done, static_cast<std::size_t>(put)};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      watch_.ran_full();
      return {IoState::want_write, 0};
    }
    return failure(errno, "write");
  }
}

awaitable<Result<void>> SocketStream::wait(Want want) {
  Direction& here = direction(want);
  if (here.overdue) co_return Error(Fault::timeout, side(), "deadline passed");
  if (closed_) co_return Error(Fault::closed, side(), "closed here");
  while (!watch_.ready(want)) {
    co_await watch_.wait(want);
    if (here.overdue) co_return Error(Fault::timeout, side(), "deadline passed");
    if (closed_) co_return Error(Fault::closed, side(), "closed here");
    // Given up otherwise our task is being cancelled: the next co_await throws.
  }
  co_return Result<void>();
}

void SocketStream::rest(std::unique_ptr<Sleeper> sleeper) {
  watch_.tell(Want::read, [this, sleeper = std::move(sleeper)](Readiness::End) mutable {
    Sleeper& woken = *sleeper;  // through it this stream is still there
    const auto why = closed_         ? Sleeper::Woken::closed
                     : read_.overdue ? Sleeper::Woken::overdue
                                     : Sleeper::Woken::ready;
    woken.wake(std::move(sleeper), why);
  });
  // Nobody will end the wait a second time.
  if (closed_ || read_.overdue) watch_.give_up(Want::read);
}

void SocketStream::deadline(Want want, Steady when) {
  Direction& here = direction(want);
  here.overdue = false;
  here.entry.set(when);
}

void SocketStream::read_overdue(void* stream) noexcept {
  auto& self = *static_cast<SocketStream*>(stream);
  self.read_.overdue = true;
  self.watch_.give_up(Want::read);
}

void SocketStream::write_overdue(void* stream) noexcept {
  auto& self = *static_cast<SocketStream*>(stream);
  self.write_.overdue = true;
  self.watch_.give_up(Want::write);
}

void SocketStream::shutdown_write() {
  if (!closed_) ::shutdown(fd_, SHUT_WR);
}

void SocketStream::close() noexcept {
  if (closed_) return;
  closed_ = true;
  read_.entry.set(Steady::max());
  write_.entry.set(Steady::max());
  watch_.leave();
  ::close(fd_);
}

bool SocketStream::silent() {
  if (closed_) return false;
  char octet = 0;
  const ssize_t got = ::recv(fd_, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    watch_.ran_dry();
    return true;
  }
  watch_.found();
  return false;
}

int SocketStream::descriptor() const { return closed_ ? -1 : fd_; }

}  // namespace gatehouse::net
