#include "tests/support/raw_socket.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace gatehouse::test {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  out.sin_port = htons(port);
  return out;
}

int must(int result, const char* what) {
  if (result < 0) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
  return result;
}

template <class Address>
const sockaddr* generic(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace

RawSocket::RawSocket(int descriptor) : fd_(descriptor) {}

RawSocket::~RawSocket() { close(); }

std::unique_ptr<RawSocket> RawSocket::connect(std::uint16_t port) {
  auto made = std::make_unique<RawSocket>(
      must(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
  const sockaddr_in to = loopback(port);
  if (::connect(made->fd_, generic(to), sizeof to) < 0 && errno != EINPROGRESS) must(-1, "connect");
  return made;
}

void RawSocket::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void RawSocket::reset() {
  const linger hard{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close();
}

void RawSocket::small_receive_buffer(int bytes) {
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

bool RawSocket::move() {
  bool moved = false;
  while (fd_ >= 0 && !broken_ && unsent() > 0) {
    const ssize_t put = ::send(fd_, queue_.data() + left_, unsent(), MSG_NOSIGNAL);
    if (put <= 0) {
      if (errno == EPIPE || errno == ECONNRESET) left_ = queue_.size();  // nobody takes it any more
      break;
    }
    moved = true;
    left_ += static_cast<std::size_t>(put);
    sent_ += static_cast<std::size_t>(put);
  }
  if (unsent() == 0) {
    queue_.clear();
    left_ = 0;
  }
  if (fd_ >= 0 && finishing_ && !finished_ && unsent() == 0) {
    ::shutdown(fd_, SHUT_WR);
    finished_ = true;
    moved = true;
  }
  std::array<char, 65536> room;
  while (fd_ >= 0 && reading_ && !ended_ && !broken_) {
    const ssize_t got = ::recv(fd_, room.data(), room.size(), 0);
    if (got < 0) {
      broken_ = errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOTCONN;
      moved = moved || broken_;
      break;
    }
    moved = true;
    ended_ = got == 0;
    received.append(room.data(), static_cast<std::size_t>(got));
  }
  return moved;
}

RawServer::RawServer() {
  fd_ = must(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  sockaddr_in at = loopback(0);
  must(::bind(fd_, generic(at), sizeof at), "bind");
  must(::listen(fd_, 64), "listen");
  socklen_t size = sizeof at;
  must(::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size), "getsockname");
  port_ = ntohs(at.sin_port);
}

RawServer::RawServer(const std::string& unix_path) {
  fd_ = must(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  unix_path.copy(at.sun_path, sizeof at.sun_path - 1);
  must(::bind(fd_, generic(at), sizeof at), "bind");
  must(::listen(fd_, 64), "listen");
}

RawServer::~RawServer() { stop_listening(); }

void RawServer::stop_listening() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

bool RawServer::move() {
  bool moved = false;
  while (fd_ >= 0) {
    const int accepted = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) break;
    connections.push_back(std::make_unique<RawSocket>(accepted));
    moved = true;
  }
  for (const auto& connection : connections) moved = connection->move() || moved;
  return moved;
}

}  // namespace gatehouse::test
