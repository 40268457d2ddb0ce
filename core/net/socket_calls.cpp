#include "core/net/socket_calls.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/sanitized.hpp"

namespace gatehouse::net {

#ifdef GATEHOUSE_SANITIZED

ssize_t receive(int descriptor, void* into, std::size_t bytes, int flags) {
  return ::recv(descriptor, into, bytes, flags);
}
ssize_t send(int descriptor, const void* from, std::size_t bytes, int flags) {
  return ::send(descriptor, from, bytes, flags);
}

#else

ssize_t receive(int descriptor, void* into, std::size_t bytes, int flags) {
  return ::syscall(SYS_recvfrom, descriptor, into, bytes, flags, nullptr, nullptr);
}
ssize_t send(int descriptor, const void* from, std::size_t bytes, int flags) {
  return ::syscall(SYS_sendto, descriptor, from, bytes, flags, nullptr, 0);
}

#endif

}  // namespace gatehouse::net
