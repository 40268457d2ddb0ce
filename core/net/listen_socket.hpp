#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <string>
#include <utility>

#include "core/base/asio.hpp"
#include "core/base/error.hpp"

namespace gatehouse::net {

/// Where to listen.
struct ListenAddress {
  enum class Kind : std::uint8_t { any, address, unix_path, descriptor };
  Kind kind = Kind::any;
  asio::ip::address address;  // Kind::address
  std::uint16_t port = 0;     // 0: the kernel chooses
  std::string unix_path;
  int descriptor = -1;  // Kind::descriptor: inherited; it is duplicated, never closed
  std::string text;     // for messages
};

/// A listening socket: non-blocking, close-on-exec. Owns its descriptor. `Kind::any` listens on
/// IPv6 and IPv4 at once, and on IPv4 alone where the machine has no IPv6.
class ListenSocket {
 public:
  ListenSocket() = default;
  /// Errors are Fault::io and say the way out: who holds the port, which capability is missing. A
  /// port that another process listens on is an error even where the kernel would share it.
  static Result<ListenSocket> open(const ListenAddress& where);
  ListenSocket(ListenSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ListenSocket& operator=(ListenSocket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~ListenSocket();

  /// A further socket on the same address for another worker: with a queue of its own
  /// (SO_REUSEPORT), or for unix and inherited sockets one that shares the queue.
  Result<ListenSocket> sibling() const;
  int descriptor() const { return fd_; }
  /// The port it is bound to; 0 for unix sockets.
  std::uint16_t port() const;
  /// AF_INET, AF_INET6 or AF_UNIX.
  int family() const;
  /// Gives the descriptor away.
  int release() { return std::exchange(fd_, -1); }

 private:
  explicit ListenSocket(int fd) : fd_(fd) {}
  int fd_ = -1;
};

/// `address` of a socket as the kernel tells it, IPv4-mapped ones as IPv4. A unix peer counts as
/// loopback: it is this machine.
std::pair<asio::ip::address, std::uint16_t> address_of(const void* sockaddr);

}  // namespace gatehouse::net
