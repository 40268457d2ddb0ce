#include "acme/store/file_system.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <limits>
#include <memory>
#include <system_error>

namespace gatehouse::acme {
namespace {

// Nothing we store comes near; a file that does is not ours.
constexpr std::uint64_t most_octets = 16ULL * 1024 * 1024;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

Error failure(std::string_view doing, const std::string& path, int code) {
  const Fault fault = code == ENOENT || code == ENOTDIR ? Fault::not_found
                      : code == EEXIST                  ? Fault::refused
                                                        : Fault::io;
  std::string detail(doing);
  detail.append(" ").append(path).append(": ").append(std::generic_category().message(code));
  return Error(fault, Side::self, std::move(detail));
}

int open_retrying(const char* path, int flags, mode_t mode = 0) {
  int fd = -1;
  do {
    fd = ::open(path, flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

Result<void> write_all(int fd, const std::string& path, std::string_view octets) {
  while (!octets.empty()) {
    const ssize_t n = ::write(fd, octets.data(), octets.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure("write", path, errno);
    octets.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

Result<void> PosixFileSystem::create(const std::string& path, std::string_view octets) {
  const Descriptor file(
      open_retrying(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  if (file.get() < 0) return failure("create", path, errno);
  const auto written = write_all(file.get(), path, octets);
  if (!written) return written.error();
  if (::fsync(file.get()) != 0) return failure("fsync", path, errno);
  return {};
}

Result<void> PosixFileSystem::append(const std::string& path, std::string_view octets) {
  const Descriptor file(
      open_retrying(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600));
  if (file.get() < 0) return failure("open", path, errno);
  return write_all(file.get(), path, octets);
}

Result<std::string> PosixFileSystem::read(const std::string& path) {
  const Descriptor file(open_retrying(path.c_str(), O_RDONLY | O_NONBLOCK));
  if (file.get() < 0) return failure("open", path, errno);
  std::string octets;
  char piece[16 * 1024];
  for (;;) {
    const ssize_t n = ::read(file.get(), piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure("read", path, errno);
    if (n == 0) return octets;
    octets.append(piece, static_cast<std::size_t>(n));
    if (octets.size() > most_octets) return failure("read", path, EFBIG);
  }
}

Result<FileSystem::Facts> PosixFileSystem::facts(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return failure("stat", path, errno);
  Facts facts;
  facts.mode = found.st_mode & 07777U;
  facts.size = static_cast<std::uint64_t>(found.st_size);
  facts.directory = S_ISDIR(found.st_mode);
  facts.modified = Wall(
      std::chrono::duration_cast<Wall::duration>(std::chrono::seconds(found.st_mtim.tv_sec) +
                                                 std::chrono::nanoseconds(found.st_mtim.tv_nsec)));
  return facts;
}

namespace {

class OpenFolder final : public FileSystem::Listing {
 public:
  OpenFolder(std::string path, DIR* folder)
      : path_(std::move(path)), folder_(folder, &::closedir) {}
  Result<std::vector<std::string>> next(std::size_t most) override {
    std::vector<std::string> names;
    while (names.size() < most) {
      errno = 0;
      const dirent* entry = ::readdir(folder_.get());
      if (entry == nullptr && errno != 0) return failure("list", path_, errno);
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    return names;
  }

 private:
  std::string path_;
  std::unique_ptr<DIR, int (*)(DIR*)> folder_;
};

}  // namespace

Result<std::unique_ptr<FileSystem::Listing>> PosixFileSystem::open_list(
    const std::string& directory) {
  DIR* const folder = ::opendir(directory.c_str());
  if (folder == nullptr) return failure("list", directory, errno);
  return std::unique_ptr<Listing>(std::make_unique<OpenFolder>(directory, folder));
}

Result<std::vector<std::string>> PosixFileSystem::list(const std::string& directory) {
  auto open = open_list(directory);
  if (!open) return open.error();
  return (*open)->next(std::numeric_limits<std::size_t>::max());
}

Result<void> PosixFileSystem::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return failure("rename to", to, errno);
  return {};
}

Result<void> PosixFileSystem::link(const std::string& from, const std::string& to) {
  if (::link(from.c_str(), to.c_str()) != 0) return failure("link", to, errno);
  return {};
}

Result<void> PosixFileSystem::remove(const std::string& path) {
  if (std::remove(path.c_str()) != 0) return failure("remove", path, errno);
  return {};
}

Result<bool> PosixFileSystem::make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return true;
  if (errno != EEXIST) return failure("make directory", path, errno);
  return false;
}

Result<void> PosixFileSystem::sync_directory(const std::string& path) {
  const Descriptor directory(open_retrying(path.c_str(), O_RDONLY | O_DIRECTORY));
  if (directory.get() < 0) return failure("open", path, errno);
  // EINVAL: the file system knows no fsync on directories, and needs none.
  if (::fsync(directory.get()) != 0 && errno != EINVAL) return failure("fsync", path, errno);
  return {};
}

}  // namespace gatehouse::acme
