#include "proxy/control/trust.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

extern char** environ;

namespace gatehouse::control {
namespace {

namespace fs = std::filesystem;

Error not_done(const std::string& doing, int code) {
  std::string text = doing + ": " + std::strerror(code);
  if (code == EACCES || code == EPERM) text += "; this needs root (try sudo)";
  return Error(Fault::io, Side::self, std::move(text));
}

/// Null: there is no such file.
Result<std::optional<std::string>> whole_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file && errno == ENOENT) return std::optional<std::string>();
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || file.bad()) return not_done(path, errno);
  return std::optional<std::string>(std::move(text));
}

/// Whole or not at all, for all to read.
Result<void> place(const std::string& path, const std::string& text) {
  std::string making = path + ".XXXXXX";
  const int fd = ::mkostemp(making.data(), O_CLOEXEC);
  if (fd < 0) return not_done(path, errno);
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fchmod(fd, 0644) == 0 && ::fsync(fd) == 0;
  int code = written ? 0 : errno;
  ::close(fd);
  if (code == 0 && ::rename(making.c_str(), path.c_str()) != 0) code = errno;
  if (code == 0) return {};
  ::unlink(making.c_str());
  return not_done(path, code);
}

Result<void> run_update(const TrustStore& store) {
  std::vector<char*> arguments;
  for (const std::string& word : store.update) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  // What the tool prints is progress, not our result.
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  pid_t child = -1;
  const int code =
      ::posix_spawnp(&child, arguments.front(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (code != 0) return not_done(store.update.front(), code);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return not_done(store.update.front(), errno);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return Error(Fault::io, Side::self,
                 store.update.front() + " failed; run it by hand to see why");
  }
  return {};
}

}  // namespace

Result<TrustStore> TrustStore::of_system() {
  if (fs::is_directory("/usr/local/share/ca-certificates")) {
    return TrustStore{"/usr/local/share/ca-certificates", {"update-ca-certificates"}};
  }
  if (fs::is_directory("/etc/pki/ca-trust/source/anchors")) {
    return TrustStore{"/etc/pki/ca-trust/source/anchors", {"update-ca-trust", "extract"}};
  }
  if (fs::is_directory("/etc/ca-certificates/trust-source/anchors")) {
    return TrustStore{"/etc/ca-certificates/trust-source/anchors", {"trust", "extract-compat"}};
  }
  return Error(Fault::not_found, Side::self,
               "no trust store known here (is ca-certificates installed?); 'gatehouse trust "
               "--print' prints the root certificate");
}

Result<std::string> internal_root(const std::string& data_dir) {
  const std::string path = data_dir + "/internal-ca/root.pem";
  auto pem = whole_file(path);
  if (!pem) return pem.error();
  if (!*pem) {
    return Error(Fault::not_found, Side::self,
                 path +
                     ": there is no internal CA yet; it is made when 'gatehouse run' first "
                     "needs it");
  }
  if (!(*pem)->starts_with("-----BEGIN CERTIFICATE-----")) {
    return Error(Fault::bad_message, Side::self, path + ": this is no certificate");
  }
  return **std::move(pem);
}

Result<Trusted> trust(const TrustStore& store, const std::string& root_pem) {
  const std::string path = store.file();
  const auto before = whole_file(path);
  if (!before) return before.error();
  Trusted outcome = Trusted::anew;
  if (*before == root_pem) outcome = Trusted::before;
  if (*before && **before != root_pem) {
    // Debian's tool looks at names only: another root under an old name would be half trusted.
    const auto removed = untrust(store);
    if (!removed) return removed.error();
    outcome = Trusted::replaced;
  }
  if (outcome != Trusted::before) {
    const auto placed = place(path, root_pem);
    if (!placed) return placed.error();
  }
  const auto updated = run_update(store);
  if (!updated) return updated.error();
  return outcome;
}

Result<bool> untrust(const TrustStore& store) {
  if (::unlink(store.file().c_str()) != 0) {
    if (errno == ENOENT) return false;
    return not_done(store.file(), errno);
  }
  const auto updated = run_update(store);
  if (!updated) return updated.error();
  return true;
}

}  // namespace gatehouse::control
