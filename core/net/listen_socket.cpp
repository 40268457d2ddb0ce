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
#include <tuple>

#include "core/base/cidr.hpp"
#include "core/net/tcp_options.hpp"

namespace gatehouse::net {
namespace {

using asio::ip::tcp;

constexpr int backlog = 4096;  // the kernel cuts it to net.core.somaxconn

/// Whether other sockets may be bound to the same port and share its connections.
enum class Sharing { exclusive, shared };

std::string way_out(int code, const ListenAddress& where, Held held) {
  const std::string port = std::to_string(where.port);
  switch (code) {
    case EADDRINUSE:
      if (held == Held::by_us) {
        return "another listener of this process has the port and cannot share it, because it was "
               "handed over or opened before root was given up: take that one out by a reload and "
               "add this one by the next, or restart";
      }
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

Error failure(int code, const ListenAddress& where, Held held = Held::by_nobody) {
  std::string detail = "listen on " + where.text + ": " + std::generic_category().message(code);
  const std::string hint =
      where.kind == ListenAddress::Kind::unix_path ? std::string() : way_out(code, where, held);
  if (!hint.empty()) detail += ": " + hint;
  const bool denied = code == EACCES || code == EPERM;
  return Error(denied ? Fault::denied : Fault::io, Side::self, std::move(detail));
}

/// A bound socket, or -1 with errno.
int bind_to(const tcp::endpoint& at, Sharing sharing, bool dual) {
  const int fd = ::socket(at.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  const int v6_only = dual ? 0 : 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (sharing == Sharing::shared) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (at.address().is_v6()) {
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
  }
  keep_alive(fd);
  no_delay(fd);
  if (::bind(fd, at.data(), static_cast<socklen_t>(at.size())) == 0) return fd;
  const int failed = errno;
  ::close(fd);
  errno = failed;
  return -1;
}

int open_port(const tcp::endpoint& at, bool dual, Held held) {
  if (at.port() != 0 && held == Held::by_nobody) {
    // The kernel lets processes of one user share a port; two of us would split the traffic
    // without a word. A bind without sharing finds out.
    const int probe = bind_to(at, Sharing::exclusive, dual);
    if (probe < 0) return -1;
    ::close(probe);
  }
  const int fd = bind_to(at, Sharing::shared, dual);
  if (fd < 0 || held == Held::by_us) return fd;
  if (::listen(fd, backlog) == 0) return fd;
  const int failed = errno;
  ::close(fd);
  errno = failed;
  return -1;
}

int open_any(std::uint16_t port, Held held) {
  const int fd = open_port(tcp::endpoint(tcp::v6(), port), true, held);
  if (fd >= 0 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)) return fd;
  return open_port(tcp::endpoint(tcp::v4(), port), false, held);
}

int option(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, level, name, &value, &size) == 0 ? value : 0;
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
  if (option(where.descriptor, SOL_SOCKET, SO_ACCEPTCONN) == 0) {
    return Error(Fault::io, Side::self,
                 "listen on " + where.text +
                     ": this descriptor is no listening socket: was it handed over (systemd "
                     "socket activation starts at fd:3)?");
  }
  const int fd = ::fcntl(where.descriptor, F_DUPFD_CLOEXEC, 3);
  if (fd < 0) return failure(errno, where);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  keep_alive(fd);
  no_delay(fd);
  return fd;
}

bool is_port(const ListenAddress& where) {
  return where.kind == ListenAddress::Kind::any || where.kind == ListenAddress::Kind::address;
}

}  // namespace

bool overlap(const ListenAddress& a, const ListenAddress& b) {
  if (!is_port(a) || !is_port(b) || a.port != b.port || a.port == 0) return false;
  if (a.kind == ListenAddress::Kind::any || b.kind == ListenAddress::Kind::any) return true;
  if (a.address.is_v6() != b.address.is_v6()) return false;
  return a.address == b.address || a.address.is_unspecified() || b.address.is_unspecified();
}

Result<ListenSocket> ListenSocket::open(const ListenAddress& where, Held held) {
  int fd = -1;
  switch (where.kind) {
    case ListenAddress::Kind::any:
      fd = open_any(where.port, held);
      break;
    case ListenAddress::Kind::address:
      fd = open_port(tcp::endpoint(where.address, where.port), false, held);
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
  if (fd < 0) return failure(errno, where, held);
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
  if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return failure(errno, where);
  }
  if (option(fd_, SOL_SOCKET, SO_REUSEPORT) == 0 || address.ss_family == AF_UNIX) {
    const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) return failure(errno, where);
    return ListenSocket(copy);
  }
  tcp::endpoint at;
  at.resize(size);
  std::memcpy(at.data(), &address, size);
  const bool dual = at.address().is_v6() && option(fd_, IPPROTO_IPV6, IPV6_V6ONLY) == 0;
  const int fd = bind_to(at, Sharing::shared, dual);
  if (fd < 0) return failure(errno, where);
  ListenSocket made(fd);
  if (option(fd_, SOL_SOCKET, SO_ACCEPTCONN) == 0) return made;
  auto listening = made.listen();
  if (!listening) return listening.error();
  return made;
}

Result<void> ListenSocket::listen() const {
  if (option(fd_, SOL_SOCKET, SO_ACCEPTCONN) != 0) return Result<void>();
  if (::listen(fd_, backlog) == 0) return Result<void>();
  const int failed = errno;
  ListenAddress where = bound();
  where.text = "port " + std::to_string(where.port);
  return failure(failed, where);
}

ListenAddress ListenSocket::bound() const {
  ListenAddress where;
  where.kind = ListenAddress::Kind::unix_path;
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) return where;
  if (address.ss_family != AF_INET && address.ss_family != AF_INET6) return where;
  std::tie(where.address, where.port) = address_of(&address);
  const bool all = where.address.is_v6() && where.address.is_unspecified();
  const bool dual = all && option(fd_, IPPROTO_IPV6, IPV6_V6ONLY) == 0;
  where.kind = dual ? ListenAddress::Kind::any : ListenAddress::Kind::address;
  return where;
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
