#include "proxy/control/process.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <malloc.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <vector>

namespace gatehouse::control {
namespace {

namespace fs = std::filesystem;

// A limit of "infinity" is no number to divide among connections.
constexpr rlim_t most_open_files = 1U << 24;
// For listeners, storage, logs, timers, the admin's clients.
constexpr std::size_t spare_descriptors = 128;

Error failed(const std::string& doing, int code = errno) {
  return Error(Fault::io, Side::self, doing + ": " + std::strerror(code));
}

Result<void> hand_over(const std::string& path, const Account& account) {
  struct stat now {};
  if (::lstat(path.c_str(), &now) != 0) {
    if (errno == ENOENT) return {};
    return failed(path);
  }
  if (now.st_uid == account.uid && now.st_gid == account.gid) return {};
  // Whoever may write in there could have linked to a file that is none of theirs.
  if (S_ISREG(now.st_mode) && now.st_nlink > 1) {
    return Error(Fault::denied, Side::self,
                 path + ": has a second name elsewhere (a hard link), so it is not handed to '" +
                     account.name + "'; copy it in place");
  }
  if (::lchown(path.c_str(), account.uid, account.gid) != 0) return failed("chown " + path);
  return {};
}

void mask_signals(int how) {
  sigset_t ours;
  ::sigemptyset(&ours);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) ::sigaddset(&ours, number);
  ::pthread_sigmask(how, &ours, nullptr);
}

}  // namespace

void hold_signals() { mask_signals(SIG_BLOCK); }

void let_signals_in() { mask_signals(SIG_UNBLOCK); }

std::size_t raise_open_files() {
  constexpr std::size_t carried_anyway = 1024;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return carried_anyway;
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  const auto most = static_cast<std::size_t>(std::min<rlim_t>(limit.rlim_cur, most_open_files));
  return most > 2 * spare_descriptors ? most - spare_descriptors : most / 2;
}

void raise_port_capability() {
  // The C library has no call for this, and libcap would be a dependency for two lines.
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return;
  constexpr std::uint32_t bind = 1U << CAP_NET_BIND_SERVICE;
  if ((sets[0].permitted & bind) == 0 || (sets[0].effective & bind) != 0) return;
  sets[0].effective |= bind;
  ::syscall(SYS_capset, &header, sets.data());
}

Result<void> prepare_data_dir(const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    return Error(Fault::io, Side::self,
                 "data_dir " + path + ": " + why +
                     "; make it writable for this user or set server.data_dir");
  };
  std::error_code failure;
  fs::create_directories(fs::path(path).parent_path(), failure);
  if (failure) return refuse(failure.message());
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return refuse(std::strerror(errno));
  // Asked of the kernel by doing it: access(2) knows nothing of read-only mounts below us.
  std::string probe = path + "/.probe-XXXXXX";
  const int fd = ::mkostemp(probe.data(), O_CLOEXEC);
  if (fd < 0) return refuse(std::strerror(errno));
  ::close(fd);
  ::unlink(probe.c_str());
  return {};
}

Result<Account> find_account(const std::string& name) {
  std::vector<char> room(16 * 1024);
  passwd entry{};
  passwd* found = nullptr;
  const int code = ::getpwnam_r(name.c_str(), &entry, room.data(), room.size(), &found);
  if (code != 0) return failed("server.user '" + name + "'", code);
  if (!found) {
    return Error(Fault::not_found, Side::self,
                 "server.user '" + name + "': no such user; make one, like 'useradd --system " +
                     name + "', or leave it out to stay who starts it");
  }
  return Account{name, entry.pw_uid, entry.pw_gid, entry.pw_dir ? entry.pw_dir : ""};
}

Result<void> become(const Account& account, const std::string& data_dir,
                    const std::vector<std::string>& files) {
  if (::geteuid() == account.uid) return {};
  if (::geteuid() != 0) {
    return Error(Fault::denied, Side::self,
                 "server.user '" + account.name + "': only root can become another user");
  }
  if (auto done = hand_over(data_dir, account); !done) return done;
  std::error_code failure;
  for (const auto& entry : fs::recursive_directory_iterator(data_dir, failure)) {
    if (auto done = hand_over(entry.path(), account); !done) return done;
  }
  if (failure) return Error(Fault::io, Side::self, data_dir + ": " + failure.message());
  for (const std::string& file : files) {
    if (auto done = hand_over(file, account); !done) return done;
  }
  if (::initgroups(account.name.c_str(), account.gid) != 0) return failed("setgroups");
  if (::setgid(account.gid) != 0) return failed("setgid");
  if (::setuid(account.uid) != 0) return failed("setuid");
  return {};
}

void give_back_memory() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

}  // namespace gatehouse::control
