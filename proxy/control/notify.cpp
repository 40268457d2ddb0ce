#include "proxy/control/notify.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "core/base/log.hpp"

namespace gatehouse::control {

Result<void> notify(const std::string& socket, std::string_view state) {
  if (socket.empty()) return {};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof(address.sun_path)) {
    return Error(Fault::limit, Side::self, "NOTIFY_SOCKET is longer than a socket path may be");
  }
  std::memcpy(address.sun_path, socket.data(), socket.size());
  if (socket.front() == '@') address.sun_path[0] = '\0';  // the abstract namespace
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size());
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Error(Fault::io, Side::self, std::strerror(errno));
  // Never waits: a manager that does not read must not hold up who serves.
  const auto sent = ::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                             reinterpret_cast<const sockaddr*>(&address), length);
  const int failure = errno;
  ::close(fd);
  if (sent < 0) return Error(Fault::io, Side::self, socket + ": " + std::strerror(failure));
  return {};
}

void notify_service_manager(std::string_view state) {
  const char* socket = std::getenv("NOTIFY_SOCKET");
  if (!socket) return;
  const auto told = notify(socket, state);
  if (!told) log::warn("service manager not told", {{"why", told.error().detail()}});
}

}  // namespace gatehouse::control
