#include "acme/audit.hpp"

#include <mutex>

#include "core/base/log.hpp"
#include "core/base/time_format.hpp"

namespace gatehouse::acme {

/// The queue and the file behind it. At most one helper writes at a time, so lines keep their
/// order; it is kept alive by its jobs.
struct AuditLog::Writer {
  std::string path;
  std::shared_ptr<FileSystem> system;
  std::mutex mutex;
  std::string waiting;   // whole lines
  bool writing = false;  // a job is queued or runs

  void write_waiting() {
    for (;;) {
      std::string lines;
      {
        const std::lock_guard lock(mutex);
        if (waiting.empty()) {
          writing = false;
          return;
        }
        lines.swap(waiting);
      }
      const auto written = system->append(path, lines);
      if (!written) log::error("audit line was lost", {{"why", written.error().detail()}});
    }
  }
};

AuditLog::AuditLog(std::string path, std::shared_ptr<FileSystem> system, Clock& clock,
                   HelperPool& helpers)
    : writer_(std::make_shared<Writer>()), clock_(clock), helpers_(helpers) {
  writer_->path = std::move(path);
  writer_->system = std::move(system);
}

AuditLog::~AuditLog() = default;

void AuditLog::note(std::string event, Fields fields) {
  if (writer_->path.empty()) return;
  const std::string line = audit_line(clock_.wall(), event, fields);
  {
    const std::lock_guard lock(writer_->mutex);
    writer_->waiting += line;
    if (writer_->writing) return;
    writer_->writing = true;
  }
  asio::post(helpers_.executor(), [writer = writer_] { writer->write_waiting(); });
}

std::string audit_line(Wall when, const std::string& event, const AuditLog::Fields& fields) {
  std::string line = R"({"ts":")" + rfc3339(when) + R"(","event":")" + log::json_escaped(event);
  for (const auto& [key, value] : fields)
    line += R"(",")" + log::json_escaped(key) + R"(":")" + log::json_escaped(value);
  return line + "\"}\n";
}

}  // namespace gatehouse::acme
