#include "proxy/control/secret_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/base/bytes.hpp"

namespace gatehouse::control {
namespace {

Error failed(const std::string& path, const std::string& why) {
  return Error(Fault::io, Side::self, path + ": " + why);
}

std::string octal(mode_t mode) {
  char text[8];
  std::snprintf(text, sizeof(text), "%04o", static_cast<unsigned>(mode & 07777));
  return text;
}

Result<void> make_secret(const std::string& path, Entropy& entropy) {
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
  ::unlink(path.c_str());  // half a secret would be taken for a whole one at the next start
  return failed(path, std::strerror(code));
}

}  // namespace

Result<std::string> read_secret(const std::string& path) {
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
  std::string secret(room, static_cast<std::size_t>(count));
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  if (secret.size() < 16) return failed(path, "holds no secret; remove it and a new one is made");
  return secret;
}

Result<std::string> secret_of(const std::string& path, Entropy& entropy) {
  const auto made = make_secret(path, entropy);
  if (!made) return made.error();
  return read_secret(path);
}

}  // namespace gatehouse::control
