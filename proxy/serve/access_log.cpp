#include "proxy/serve/access_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>

#include "core/base/log.hpp"
#include "core/base/no_signals.hpp"

namespace gatehouse::serve {
namespace {

using namespace std::chrono_literals;

constexpr auto gather = 5ms;  // lines that come together leave together

/// -1 with errno when it cannot be opened.
int open_file(const std::string& path) {
  return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

}  // namespace

Result<std::unique_ptr<AccessLog>> AccessLog::open(const config::Log& log, std::size_t workers,
                                                   Entropy& entropy) {
  if (log.access == "off" || log.access.empty()) return std::unique_ptr<AccessLog>();
  std::string path;
  int fd = STDERR_FILENO;
  if (log.access == "stdout") {
    fd = STDOUT_FILENO;
  } else if (log.access != "stderr") {
    path = log.access;
    fd = open_file(path);
    if (fd < 0) {
      return Error(Fault::io, Side::self,
                   "access log " + path + ": " + std::generic_category().message(errno));
    }
  }
  return std::unique_ptr<AccessLog>(
      new AccessLog(std::move(path), fd, workers, entropy.octets(32)));
}

AccessLog::AccessLog(std::string path, int fd, std::size_t workers, std::string hash_key)
    : path_(std::move(path)), fd_(fd) {
  for (std::size_t i = 0; i < workers; ++i) {
    rings_.push_back(std::make_shared<AccessRing>(bell_, hash_key));
  }
  thread_ = std::thread([this] {
    take_no_signals();
    run();
  });
}

AccessLog::~AccessLog() {
  ending_ = true;
  bell_->ring();
  thread_.join();
  if (!path_.empty()) ::close(fd_);
}

void AccessLog::reopen() {
  reopen_ = true;
  bell_->ring();
}

bool AccessLog::collect(std::string& out) {
  bool any = false;
  for (const auto& ring : rings_) any = ring->take(out) || any;
  return any;
}

void AccessLog::run() {
  std::string out;
  for (;;) {
    if (reopen_.exchange(false)) open_again();
    out.clear();
    if (collect(out)) {
      write_out(out);
      if (!ending_) std::this_thread::sleep_for(gather);
      continue;
    }
    if (ending_) return;
    bell_->asleep = 1;
    if (ending_ || reopen_ || collect(out)) {
      bell_->asleep = 0;
      write_out(out);
      continue;
    }
    bell_->asleep.wait(1);
  }
}

void AccessLog::write_out(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd_, bytes.data(), bytes.size());
    if (put > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(put));
      failing_ = false;
      continue;
    }
    if (put < 0 && errno == EINTR) continue;
    // Said once until it works again: a full disk must not fill the other log too.
    if (!failing_) {
      log::error("access log lost lines", {{"output", path_.empty() ? "terminal" : path_},
                                           {"why", std::generic_category().message(errno)}});
    }
    failing_ = true;
    return;
  }
}

void AccessLog::open_again() {
  if (path_.empty()) return;
  const int fd = open_file(path_);
  if (fd < 0) {
    log::warn("access log kept its old file",
              {{"path", path_}, {"why", std::generic_category().message(errno)}});
    return;
  }
  ::close(fd_);
  fd_ = fd;
}

}  // namespace gatehouse::serve
