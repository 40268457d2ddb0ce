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

/// Whether a connection could belong to either. Unix and inherited sockets: never; ask for
/// ListenSocket::bound() first.
bool overlap(const ListenAddress& a, const ListenAddress& b);

/// Who may have the port already.
enum class Held : std::uint8_t {
  by_nobody,  // another listener is an error, even where the kernel would share the port
  by_us,      // a listening socket of this process overlaps, and is about to close
};

/// A listening socket: non-blocking, close-on-exec. Owns its descriptor. `Kind::any` listens on
/// IPv6 and IPv4 at once, and on IPv4 alone where the machine has no IPv6. What a port accepts has
/// keep_alive() from the start.
class ListenSocket {
 public:
  ListenSocket() = default;
  /// Errors are Fault::io and say the way out: who holds the port, which capability is missing.
  /// With Held::by_us it is bound and takes no connection before listen(): the kernel would prefer
  /// it to a socket of ours that is less exact.
  static Result<ListenSocket> open(const ListenAddress& where, Held held = Held::by_nobody);
  ListenSocket(ListenSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ListenSocket& operator=(ListenSocket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~ListenSocket();

  /// A further socket on the same address for another worker: with a queue of its own
  /// (SO_REUSEPORT), or for unix and inherited sockets one that shares the queue. It listens if
  /// this one does.
  Result<ListenSocket> sibling() const;
  /// Takes connections from now on. Nothing happens when it does already.
  Result<void> listen() const;
  int descriptor() const { return fd_; }
  /// What it is bound to, as a port of an address or of all; Kind::unix_path for the rest.
  ListenAddress bound() const;
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
