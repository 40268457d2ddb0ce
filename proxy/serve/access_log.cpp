#include "proxy/serve/access_log.hpp"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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

bool AccessLog::write_lines() {
  bool any = false;
  for (const auto& ring : rings_) {
    const AccessRing::Pieces lines = ring->lines();
    if (lines[0].empty()) continue;
    write_out(lines);
    ring->taken();
    any = true;
  }
  return any;
}

void AccessLog::run() {
  for (;;) {
    if (reopen_.exchange(false)) open_again();
    if (write_lines()) {
      if (!ending_) std::this_thread::sleep_for(gather);
      continue;
    }
    if (ending_) return;
    bell_->asleep = 1;
    if (ending_ || reopen_ || write_lines()) {
      bell_->asleep = 0;
      continue;
    }
    bell_->asleep.wait(1);
  }
}

void AccessLog::write_out(AccessRing::Pieces pieces) {
  while (!pieces[0].empty() || !pieces[1].empty()) {
    std::array<iovec, 2> parts;  // in one call: others may write to the same file
    for (std::size_t i = 0; i < parts.size(); ++i) {
      parts[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
    }
    const ssize_t put = ::writev(fd_, parts.data(), parts.size());
    if (put > 0) {
      auto left = static_cast<std::size_t>(put);
      for (std::string_view& piece : pieces) {
        const std::size_t gone = std::min(left, piece.size());
        piece.remove_prefix(gone);
        left -= gone;
      }
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
