#include "proxy/control/unix_door.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace gatehouse::control {
namespace {

Error failed(const std::string& path, const char* doing, int code = errno) {
  return Error(Fault::io, Side::self,
               "admin socket " + path + ": " + doing + ": " + std::strerror(code));
}

/// A descriptor that closes itself.
struct Descriptor {
  explicit Descriptor(int number) : fd(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  int release() { return std::exchange(fd, -1); }
  int fd;
};

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Error(Fault::limit, Side::self,
                 "admin socket " + path + ": longer than the " +
                     std::to_string(sizeof(address.sun_path) - 1) +
                     " octets a socket path may have; set admin.listen = \"unix:PATH\"");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* plain(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

bool answers(const sockaddr_un& address) {
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (probe.fd < 0) return false;
  // EAGAIN: its backlog is full, so somebody listens.
  return ::connect(probe.fd, plain(address), sizeof(address)) == 0 || errno == EAGAIN;
}

}  // namespace

Result<UnixDoor> UnixDoor::open(const std::string& path) {
  auto final_address = address_of(path);
  if (!final_address) return final_address.error();
  // Two processes that start at once look and take over one after the other.
  const std::string folder = std::filesystem::absolute(path).parent_path();
  const Descriptor turn(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (turn.fd < 0) return failed(path, "open its folder");
  if (::flock(turn.fd, LOCK_EX) != 0) return failed(path, "lock its folder");
  if (answers(*final_address)) {
    return Error(Fault::refused, Side::self,
                 "already running: a Gatehouse process answers at " + path);
  }
  struct stat old {};
  if (::lstat(path.c_str(), &old) == 0 && !S_ISSOCK(old.st_mode)) {
    return Error(Fault::io, Side::self, "admin socket " + path + ": something else is there");
  }

  // Made under another name and moved when it is private and listening: nobody can come in early.
  const std::string making = path + "." + std::to_string(::getpid());
  auto address = address_of(making);
  if (!address) return address.error();
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.fd < 0) return failed(path, "socket");
  ::unlink(making.c_str());
  if (::bind(socket.fd, plain(*address), sizeof(*address)) != 0) return failed(path, "bind");
  struct stat made {};
  if (::chmod(making.c_str(), 0600) != 0 || ::listen(socket.fd, 64) != 0 ||
      ::lstat(making.c_str(), &made) != 0 || ::rename(making.c_str(), path.c_str()) != 0) {
    const Error failure = failed(path, "listen");
    ::unlink(making.c_str());
    return failure;
  }
  UnixDoor door;
  door.fd_ = socket.release();
  door.path_ = path;
  door.device_ = made.st_dev;
  door.inode_ = made.st_ino;
  return door;
}

UnixDoor::UnixDoor(UnixDoor&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      device_(other.device_),
      inode_(other.inode_) {}

UnixDoor& UnixDoor::operator=(UnixDoor&& other) noexcept {
  if (this != &other) {
    std::swap(fd_, other.fd_);
    std::swap(path_, other.path_);
    std::swap(device_, other.device_);
    std::swap(inode_, other.inode_);
  }
  return *this;
}

UnixDoor::~UnixDoor() {
  if (fd_ < 0) return;
  struct stat now {};
  const bool ours =
      ::lstat(path_.c_str(), &now) == 0 && now.st_dev == device_ && now.st_ino == inode_;
  if (ours) ::unlink(path_.c_str());
  ::close(fd_);
}

}  // namespace gatehouse::control
