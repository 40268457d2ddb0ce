#include "proxy/control/admin_token.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/base/bytes.hpp"

namespace gatehouse::control {
namespace {

std::string path_in(const std::string& data_dir) { return data_dir + "/admin.token"; }

Error failed(const std::string& path, const std::string& why) {
  return Error(Fault::io, Side::self, path + ": " + why);
}

std::string octal(mode_t mode) {
  char text[8];
  std::snprintf(text, sizeof(text), "%04o", static_cast<unsigned>(mode & 07777));
  return text;
}

Result<void> make_token(const std::string& path, Entropy& entropy) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    if (errno == EEXIST) return {};
    return failed(path, std::strerror(errno));
  }
  const std::string line = base64url(entropy.octets(32)) + "\n";
  const bool written = ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
                       ::fsync(fd) == 0;
  const int code = errno;
  ::close(fd);
  if (written) return {};
  ::unlink(path.c_str());  // half a token would be taken for a whole one at the next start
  return failed(path, std::strerror(code));
}

}  // namespace

Result<std::string> read_admin_token(const std::string& data_dir) {
  const std::string path = path_in(data_dir);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failed(path, std::strerror(errno));
  struct stat facts {};
  char room[256];
  const ssize_t count = ::fstat(fd, &facts) == 0 ? ::read(fd, room, sizeof(room)) : -1;
  const int code = errno;
  ::close(fd);
  if (count < 0) return failed(path, std::strerror(code));
  if ((facts.st_mode & 077) != 0) {
    return failed(path, "mode " + octal(facts.st_mode) + " lets others read it; it must be 0600");
  }
  std::string token(room, static_cast<std::size_t>(count));
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
  if (token.size() < 16) return failed(path, "holds no token; remove it and a new one is made");
  return token;
}

Result<std::string> admin_token(const std::string& data_dir, Entropy& entropy) {
  const auto made = make_token(path_in(data_dir), entropy);
  if (!made) return made.error();
  return read_admin_token(data_dir);
}

}  // namespace gatehouse::control
