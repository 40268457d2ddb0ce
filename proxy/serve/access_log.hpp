#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "config/model.hpp"
#include "core/base/entropy.hpp"
#include "core/base/error.hpp"
#include "proxy/serve/access_ring.hpp"

namespace gatehouse::serve {

/// The access log's file and the thread that writes it: a slow disk costs lines (counted), never
/// requests. Made and ended on the control thread, after the workers.
class AccessLog {
 public:
  /// Opens the output of `log.access` ("stderr", "stdout" or a file). Null when it is "off".
  static Result<std::unique_ptr<AccessLog>> open(const config::Log& log, std::size_t workers,
                                                 Entropy& entropy);
  /// Writes what is queued, then ends the thread.
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  /// The ring of one worker, to be put into Worker::access.
  std::shared_ptr<AccessRing> ring(std::size_t worker) { return rings_[worker]; }
  /// Opens the file again (SIGUSR1). The old one stays when that fails.
  void reopen();

 private:
  AccessLog(std::string path, int fd, std::size_t workers, std::string hash_key);
  void run();
  /// False: no ring had a line.
  bool write_lines();
  void write_out(AccessRing::Pieces pieces);
  void open_again();

  std::string path_;  // empty: stderr or stdout
  int fd_;
  std::shared_ptr<AccessRing::Bell> bell_ = std::make_shared<AccessRing::Bell>();
  std::vector<std::shared_ptr<AccessRing>> rings_;
  std::atomic<bool> reopen_{false};
  std::atomic<bool> ending_{false};
  bool failing_ = false;
  std::thread thread_;
};

}  // namespace gatehouse::serve
