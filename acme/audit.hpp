#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "acme/store/file_system.hpp"
#include "core/base/clock.hpp"
#include "core/base/helper_pool.hpp"

namespace gatehouse::acme {

/// audit.jsonl: one JSON object a line for every order, issue, renewal, denial and change of the
/// config; only ever appended to. Any thread; lines keep the order of the calls. Never a secret.
class AuditLog {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  /// Empty `path`: nothing is kept.
  AuditLog(std::string path, std::shared_ptr<FileSystem> system, Clock& clock, HelperPool& helpers);
  ~AuditLog();

  /// `event` in the past tense: "certificate issued". Returns at once; a helper writes.
  void note(std::string event, Fields fields = {});

 private:
  struct Writer;
  std::shared_ptr<Writer> writer_;
  Clock& clock_;
  HelperPool& helpers_;
};

/// The line of an event, newline included.
std::string audit_line(Wall when, const std::string& event, const AuditLog::Fields& fields);

}  // namespace gatehouse::acme
