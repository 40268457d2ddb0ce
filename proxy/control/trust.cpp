#include "proxy/control/trust.hpp"

#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

extern char** environ;

namespace gatehouse::control {
namespace {

namespace fs = std::filesystem;

Error failed(const std::string& doing, int code) {
  std::string text = doing + ": " + std::strerror(code);
  if (code == EACCES || code == EPERM) text += "; this needs root (try sudo)";
  return Error(Fault::io, Side::self, std::move(text));
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
  if (code != 0) return failed(store.update.front(), code);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return failed(store.update.front(), errno);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return Error(Fault::io, Side::self, store.update.front() + " failed");
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
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    const int code = errno;
    if (code == ENOENT) {
      return Error(Fault::not_found, Side::self,
                   path +
                       ": there is no internal CA yet; it is made when 'gatehouse run' first "
                       "needs it");
    }
    return failed(path, code);
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Result<void> trust(const TrustStore& store, const std::string& root_pem) {
  const std::string path = store.file();
  errno = 0;
  {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << root_pem << std::flush;
    if (!file) return failed(path, errno);
  }
  if (::chmod(path.c_str(), 0644) != 0) return failed(path, errno);
  return run_update(store);
}

Result<bool> untrust(const TrustStore& store) {
  if (::unlink(store.file().c_str()) != 0) {
    if (errno == ENOENT) return false;
    return failed(store.file(), errno);
  }
  const auto updated = run_update(store);
  if (!updated) return updated.error();
  return true;
}

}  // namespace gatehouse::control
