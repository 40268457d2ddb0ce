#include "core/net/socket_stream.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <cerrno>
#include <system_error>

namespace gatehouse::net {

SocketStream::SocketStream(Socket socket, DeadlineWheel& wheel, Side side)
    : Stream(side),
      socket_(std::move(socket)),
      fd_(socket_.native_handle()),
      read_(wheel, this, &SocketStream::read_overdue),
      write_(wheel, this, &SocketStream::write_overdue) {
  boost::system::error_code ignored;
  socket_.native_non_blocking(true, ignored);
  // A head or a small record must not wait for the peer's acknowledgement of the last one. Fails
  // on unix sockets, which have no such delay.
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

SocketStream::~SocketStream() { close(); }

IoResult SocketStream::failure(int code, std::string_view doing) {
  fail(Fault::closed, std::string(doing) + ": " + std::generic_category().message(code));
  return {IoState::failed, 0};
}

IoResult SocketStream::try_read(std::span<char> into) {
  if (closed_) return failure(ECONNABORTED, "read");
  if (drained_) return {IoState::want_read, 0};
  for (;;) {
    const ssize_t got = ::recv(fd_, into.data(), into.size(), 0);
    if (got > 0) {
      const auto bytes = static_cast<std::size_t>(got);
      drained_ = bytes < into.size();
      return {IoState::done, bytes};
    }
    if (got == 0) return {IoState::end, 0};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      drained_ = true;
      return {IoState::want_read, 0};
    }
    return failure(errno, "read");
  }
}

IoResult SocketStream::try_write(std::string_view from) {
  if (closed_) return failure(ECONNABORTED, "write");
  for (;;) {
    const ssize_t put = ::send(fd_, from.data(), from.size(), MSG_NOSIGNAL);
    if (put >= 0) return {IoState::done, static_cast<std::size_t>(put)};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoState::want_write, 0};
    return failure(errno, "write");
  }
}

awaitable<Result<void>> SocketStream::wait(Want want) {
  Direction& here = direction(want);
  if (here.overdue) co_return Error(Fault::timeout, side(), "deadline passed");
  if (closed_) co_return Error(Fault::closed, side(), "closed here");
  const auto kind = want == Want::read ? Socket::wait_read : Socket::wait_write;
  for (;;) {
    const auto [ec] = co_await socket_.async_wait(kind, as_result);
    if (want == Want::read) drained_ = false;
    if (here.overdue) co_return Error(Fault::timeout, side(), "deadline passed");
    if (!ec) co_return Result<void>();
    if (closed_ || ec != asio::error::operation_aborted) {
      co_return Error(Fault::closed, side(), "wait: " + ec.message());
    }
    // The other direction's deadline cancelled us too, or our task is being cancelled: in that case
    // the next co_await throws.
  }
}

void SocketStream::deadline(Want want, Steady when) {
  Direction& here = direction(want);
  here.overdue = false;
  here.entry.set(when);
}

void SocketStream::read_overdue(void* stream) noexcept {
  auto& self = *static_cast<SocketStream*>(stream);
  self.read_.overdue = true;
  boost::system::error_code ignored;
  self.socket_.cancel(ignored);
}

void SocketStream::write_overdue(void* stream) noexcept {
  auto& self = *static_cast<SocketStream*>(stream);
  self.write_.overdue = true;
  boost::system::error_code ignored;
  self.socket_.cancel(ignored);
}

void SocketStream::shutdown_write() {
  if (!closed_) ::shutdown(fd_, SHUT_WR);
}

void SocketStream::close() noexcept {
  if (closed_) return;
  closed_ = true;
  read_.entry.set(Steady::max());
  write_.entry.set(Steady::max());
  boost::system::error_code ignored;
  socket_.close(ignored);
}

bool SocketStream::silent() {
  if (closed_) return false;
  char octet = 0;
  const ssize_t got = ::recv(fd_, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
  drained_ = false;  // a read would find something now
  return false;
}

int SocketStream::descriptor() const { return closed_ ? -1 : fd_; }

}  // namespace gatehouse::net
