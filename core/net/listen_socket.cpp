#include "core/net/listen_socket.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "core/base/cidr.hpp"

namespace gatehouse::net {
namespace {

using asio::ip::tcp;

constexpr int backlog = 4096;  // the kernel cuts it to net.core.somaxconn

/// Whether other sockets may be bound to the same port and share its connections.
enum class Sharing { exclusive, shared };

std::string way_out(int code, const ListenAddress& where) {
  const std::string port = std::to_string(where.port);
  switch (code) {
    case EADDRINUSE:
      return "another process listens there (find it with: ss -ltnp 'sport = :" + port +
             "'); stop it or choose another address";
    case EACCES:
    case EPERM:
      return "ports below 1024 need CAP_NET_BIND_SERVICE: run as root, give it by systemd "
             "(AmbientCapabilities=CAP_NET_BIND_SERVICE) or by setcap "
             "cap_net_bind_service=+ep on the program; or choose a port from 1024 up";
    case EADDRNOTAVAIL:
      return "this machine has no such address";
    default:
      return {};
  }
}

Error failure(int code, const ListenAddress& where) {
  std::string detail = "listen on " + where.text + ": " + std::generic_category().message(code);
  const std::string hint =
      where.kind == ListenAddress::Kind::unix_path ? std::string() : way_out(code, where);
  if (!hint.empty()) detail += ": " + hint;
  const bool denied = code == EACCES || code == EPERM;
  return Error(denied ? Fault::denied : Fault::io, Side::self, std::move(detail));
}

/// A bound socket, or -1 with errno.
int bound(const tcp::endpoint& at, Sharing sharing, bool dual) {
  const int fd = ::socket(at.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  const int v6_only = dual ? 0 : 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (sharing == Sharing::shared) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (at.address().is_v6()) {
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
  }
  if (::bind(fd, at.data(), static_cast<socklen_t>(at.size())) == 0) return fd;
  const int failed = errno;
  ::close(fd);
  errno = failed;
  return -1;
}

int bound_and_listening(const tcp::endpoint& at, bool dual) {
  if (at.port() != 0) {
    // The kernel lets processes of one user share a port; two of us would split the traffic
    // without a word. A bind without sharing finds out.
    const int probe = bound(at, Sharing::exclusive, dual);
    if (probe < 0) return -1;
    ::close(probe);
  }
  const int fd = bound(at, Sharing::shared, dual);
  if (fd < 0) return -1;
  if (::listen(fd, backlog) == 0) return fd;
  const int failed = errno;
  ::close(fd);
  errno = failed;
  return -1;
}

int open_any(std::uint16_t port) {
  const int fd = bound_and_listening(tcp::endpoint(tcp::v6(), port), true);
  if (fd >= 0 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)) return fd;
  return bound_and_listening(tcp::endpoint(tcp::v4(), port), false);
}

/// A socket file that nobody listens on any more is in the way of a new one.
void remove_stale(const std::string& path, const asio::local::stream_protocol::endpoint& at) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) return;
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return;
  const int connected = ::connect(probe, at.data(), static_cast<socklen_t>(at.size()));
  if (connected != 0 && errno == ECONNREFUSED) ::unlink(path.c_str());
  ::close(probe);
}

int open_unix(const std::string& path) {
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    errno = ENAMETOOLONG;
    return -1;
  }
  const asio::local::stream_protocol::endpoint at(path);
  remove_stale(path, at);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (::bind(fd, at.data(), static_cast<socklen_t>(at.size())) == 0 && ::listen(fd, backlog) == 0) {
    return fd;
  }
  const int failed = errno;
  ::close(fd);
  errno = failed;
  return -1;
}

Result<int> adopt(const ListenAddress& where) {
  int accepts = 0;
  socklen_t size = sizeof accepts;
  if (::getsockopt(where.descriptor, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) != 0 ||
      accepts == 0) {
    return Error(Fault::io, Side::self,
                 "listen on " + where.text +
                     ": this descriptor is no listening socket: was it handed over (systemd "
                     "socket activation starts at fd:3)?");
  }
  const int fd = ::fcntl(where.descriptor, F_DUPFD_CLOEXEC, 3);
  if (fd < 0) return failure(errno, where);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

}  // namespace

Result<ListenSocket> ListenSocket::open(const ListenAddress& where) {
  int fd = -1;
  switch (where.kind) {
    case ListenAddress::Kind::any:
      fd = open_any(where.port);
      break;
    case ListenAddress::Kind::address:
      fd = bound_and_listening(tcp::endpoint(where.address, where.port), false);
      break;
    case ListenAddress::Kind::unix_path:
      fd = open_unix(where.unix_path);
      break;
    case ListenAddress::Kind::descriptor: {
      auto adopted = adopt(where);
      if (!adopted) return adopted.error();
      fd = *adopted;
      break;
    }
  }
  if (fd < 0) return failure(errno, where);
  return ListenSocket(fd);
}

ListenSocket::~ListenSocket() {
  if (fd_ >= 0) ::close(fd_);
}

Result<ListenSocket> ListenSocket::sibling() const {
  ListenAddress where;
  where.text = "the same address again";
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  int shared = 0;
  socklen_t shared_size = sizeof shared;
  if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      ::getsockopt(fd_, SOL_SOCKET, SO_REUSEPORT, &shared, &shared_size) != 0) {
    return failure(errno, where);
  }
  if (shared == 0 || address.ss_family == AF_UNIX) {
    const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) return failure(errno, where);
    return ListenSocket(copy);
  }
  tcp::endpoint at;
  at.resize(size);
  std::memcpy(at.data(), &address, size);
  int only = 1;
  socklen_t only_size = sizeof only;
  if (at.address().is_v6()) ::getsockopt(fd_, IPPROTO_IPV6, IPV6_V6ONLY, &only, &only_size);
  const int fd = bound(at, Sharing::shared, only == 0);
  if (fd < 0) return failure(errno, where);
  ListenSocket made(fd);
  if (::listen(fd, backlog) != 0) return failure(errno, where);
  return made;
}

std::uint16_t ListenSocket::port() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return address_of(&address).second;
}

int ListenSocket::family() const {
  int family = AF_UNSPEC;
  socklen_t size = sizeof family;
  ::getsockopt(fd_, SOL_SOCKET, SO_DOMAIN, &family, &size);
  return family;
}

std::pair<asio::ip::address, std::uint16_t> address_of(const void* address) {
  const auto family = static_cast<const sockaddr*>(address)->sa_family;
  if (family == AF_INET) {
    const auto& v4 = *static_cast<const sockaddr_in*>(address);
    return {asio::ip::address_v4(ntohl(v4.sin_addr.s_addr)), ntohs(v4.sin_port)};
  }
  if (family == AF_INET6) {
    const auto& v6 = *static_cast<const sockaddr_in6*>(address);
    asio::ip::address_v6::bytes_type octets;
    std::memcpy(octets.data(), &v6.sin6_addr, octets.size());
    return {unmapped(asio::ip::address_v6(octets)), ntohs(v6.sin6_port)};
  }
  return {asio::ip::address_v4::loopback(), 0};
}

}  // namespace gatehouse::net
