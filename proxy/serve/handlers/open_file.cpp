#include "proxy/serve/handlers/open_file.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "core/base/time_format.hpp"

namespace gatehouse::serve {
namespace {

constexpr std::int64_t ns_per_second = 1'000'000'000;
// A pipe must not hold us up until somebody writes; it is turned away once it is seen to be one.
constexpr int read_flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
constexpr std::uint64_t below_root = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
/// Somebody renames things above the name while the kernel walks it: it asks us to try again.
constexpr int most_tries = 64;

int openat2(int at, const char* name, int flags, std::uint64_t resolve) {
  ::open_how how{};
  how.flags = static_cast<std::uint64_t>(flags);
  how.resolve = resolve;
  return static_cast<int>(::syscall(SYS_openat2, at, name, &how, sizeof how));
}

/// openat2() is missing: an old kernel, or a filter of system calls that does not know it.
bool unknown_call() { return errno == ENOSYS || errno == EPERM; }

int open_below(int root, const std::string& name, Patience patience) {
  const char* const text = name.empty() ? "." : name.c_str();
  if (patience == Patience::none) {
    const int opened = openat2(root, text, read_flags, below_root | RESOLVE_CACHED);
    // EINVAL: the kernel does not know the flag. Whatever it is, the patient way finds out.
    if (opened < 0 && (errno == EINVAL || unknown_call())) errno = EAGAIN;
    return opened;
  }
  int opened = -1;
  for (int tries = 0; tries < most_tries; ++tries) {
    opened = openat2(root, text, read_flags, below_root);
    if (opened >= 0 || (errno != EAGAIN && errno != EINTR)) break;
  }
  if (opened < 0 && unknown_call()) return detail::open_by_steps(root, name);
  return opened;
}

Opening opening_of(int error, Patience patience) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case EXDEV:  // leads out of the root
    case ELOOP:
    case ENXIO:  // a socket, or a device that nobody serves
    case ENODEV:
      return Opening::absent;
    case EACCES:
    case EPERM:
      return Opening::forbidden;
    case EAGAIN:
      return patience == Patience::none ? Opening::cold : Opening::failed;
    default:
      return Opening::failed;
  }
}

ServedFolder::Entry refused(const std::string& name, int error, Patience patience) {
  ServedFolder::Entry entry;
  entry.what = opening_of(error, patience);
  if (entry.what != Opening::cold) {
    entry.why = "'" + name + "': " + std::generic_category().message(error);
  }
  return entry;
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    if (number_ >= 0) ::close(number_);
    number_ = other.release();
  }
  return *this;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

int Descriptor::release() { return std::exchange(number_, -1); }

Wall OpenFile::modified() const {
  const std::int64_t whole = modified_ns_ / ns_per_second - (modified_ns_ % ns_per_second < 0);
  return nearest_wall(std::chrono::seconds(whole));
}

std::int64_t OpenFile::read(std::uint64_t at, std::span<char> into, Patience patience) const {
  const auto offset = static_cast<off_t>(at);
  if (patience == Patience::wait) {
    // What follows is on its way while this is being sent.
    constexpr off_t ahead = 1024 * 1024;
    ::posix_fadvise(descriptor_.number(), offset, ahead, POSIX_FADV_WILLNEED);
    return ::pread(descriptor_.number(), into.data(), into.size(), offset);
  }
  iovec room{.iov_base = into.data(), .iov_len = into.size()};
  const ssize_t got = ::preadv2(descriptor_.number(), &room, 1, offset, RWF_NOWAIT);
  // Not every file system can say that it would have to wait.
  if (got < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)) errno = EAGAIN;
  return got;
}

ServedFolder::Entry ServedFolder::open_root(const std::string& path, Patience patience) {
  constexpr int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  int opened = -1;
  if (patience == Patience::none) {
    opened = openat2(AT_FDCWD, path.c_str(), flags, RESOLVE_CACHED);
    if (opened < 0 && (errno == EINVAL || unknown_call())) errno = EAGAIN;
  } else {
    opened = ::openat(AT_FDCWD, path.c_str(), flags);
  }
  if (opened < 0) return refused(path, errno, patience);
  root_ = Descriptor(opened);
  Entry entry;
  entry.what = Opening::folder;
  return entry;
}

ServedFolder::Entry ServedFolder::open(const std::string& name, Patience patience) const {
  const int opened = open_below(root_.number(), name, patience);
  if (opened < 0) return refused(name, errno, patience);
  Descriptor descriptor(opened);
  struct ::stat seen {};
  if (::fstat(opened, &seen) != 0) return refused(name, errno, patience);
  Entry entry;
  if (S_ISDIR(seen.st_mode)) {
    entry.what = Opening::folder;
  } else if (S_ISREG(seen.st_mode)) {
    entry.what = Opening::file;
    const std::int64_t modified = seen.st_mtim.tv_sec * ns_per_second + seen.st_mtim.tv_nsec;
    entry.file =
        OpenFile(std::move(descriptor), static_cast<std::uint64_t>(seen.st_size), modified);
  } else {
    entry.why = "'" + name + "': no regular file";
  }
  return entry;
}

namespace detail {

int open_by_steps(int root, std::string_view name) {
  Descriptor folder;
  while (true) {
    const std::size_t slash = name.find('/');
    std::string step(name.substr(0, slash));
    if (step == "..") {
      errno = EXDEV;
      return -1;
    }
    if (step.empty()) step = ".";
    const int at = folder ? folder.number() : root;
    if (slash == std::string_view::npos) {
      return ::openat(at, step.c_str(), read_flags | O_NOFOLLOW);
    }
    const int next = ::openat(at, step.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0) return -1;
    folder = Descriptor(next);
    name.remove_prefix(slash + 1);
  }
}

}  // namespace detail

}  // namespace gatehouse::serve
