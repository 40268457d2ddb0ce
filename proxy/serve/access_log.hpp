#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "config/model.hpp"
#include "core/base/entropy.hpp"
#include "core/base/error.hpp"
#include "core/http/message.hpp"
#include "proxy/serve/request_facts.hpp"

namespace gatehouse::serve {

/// How a line is written: part of the snapshot, so that a reload changes it.
class AccessFormat {
 public:
  enum class Kind : std::uint8_t { json, combined };

  explicit AccessFormat(const config::Log& log);
  /// Appends the line of one finished exchange, newline included: always one valid JSON object, or
  /// one line in the combined format of Apache and nginx. Octets from outside are escaped and cut
  /// short. `hash_key` is what fields under `hash` are keyed with.
  void write(std::string& out, const http::RequestHead& request, const RequestFacts& facts,
             Steady ended, std::string_view hash_key) const;

  /// Every field that access_fields may name.
  enum Name : std::uint8_t {
    ts,
    id,
    client_ip,
    peer,
    method,
    scheme,
    host,
    path,
    query,
    proto,
    status,
    bytes_in,
    bytes_out,
    seconds,
    tls,
    tls_version,
    tls_cipher,
    tls_sni,
    tls_alpn,
    tls_resumed,
    tls_client_subject,
    site,
    route,
    backend,
    backend_name,
    backend_server,
    backend_seconds,
    backend_attempts,
    backend_reused,
    user_agent,
    referer,
    error,
    names
  };
  enum class Treatment : std::uint8_t { plain, drop, hash, redact };

 private:
  void treat(const std::vector<std::string>& fields, Treatment treatment);

  Kind kind_ = Kind::json;
  std::array<Treatment, names> treatment_{};
};

/// Finished lines on their way from the workers to the writer: one ring a worker, one reader and
/// one writer each, no lock. A full ring drops the line; the worker goes on.
class AccessRing {
 public:
  /// Rung by a worker that has a line while the writer sleeps.
  struct Bell {
    std::atomic<std::uint32_t> asleep{0};
    void ring();
  };
  AccessRing(std::shared_ptr<Bell> bell, std::string hash_key, std::size_t lines = 4096);

  /// Worker only. False: full, the line is lost. `line` comes back empty with the memory of an
  /// older one, so that a steady state allocates nothing.
  bool put(std::string& line);
  /// Writer only. Appends all lines that are there to `out`; false: there was none.
  bool take(std::string& out);
  const std::string& hash_key() const { return hash_key_; }
  /// Worker only: the line being written.
  std::string& line() { return line_; }

 private:
  std::shared_ptr<Bell> bell_;
  std::string hash_key_;
  std::string line_;
  std::vector<std::string> slots_;
  alignas(64) std::atomic<std::size_t> read_{0};
  alignas(64) std::atomic<std::size_t> written_{0};
};

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
  bool collect(std::string& out);
  void write_out(std::string_view bytes);
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
