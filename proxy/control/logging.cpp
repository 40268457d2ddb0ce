#include "proxy/control/logging.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/log.hpp"

namespace gatehouse::control {
namespace {

log::Level level_of(const std::string& name) {
  if (name == "trace") return log::Level::trace;
  if (name == "debug") return log::Level::debug;
  if (name == "warn") return log::Level::warn;
  if (name == "error") return log::Level::error;
  return log::Level::info;
}

log::Format format_of(const config::Log& settings) {
  if (settings.format == "text") return log::Format::text;
  if (settings.format == "json") return log::Format::json;
  const bool terminal = (settings.output == "stderr" && ::isatty(STDERR_FILENO) != 0) ||
                        (settings.output == "stdout" && ::isatty(STDOUT_FILENO) != 0);
  return terminal ? log::Format::text : log::Format::json;
}

}  // namespace

Result<void> open_log(const config::Log& settings) {
  errno = 0;
  if (log::open(level_of(settings.level), format_of(settings), settings.output)) return {};
  const std::string why = errno != 0 ? std::strerror(errno) : "cannot be opened";
  return Error(Fault::io, Side::self, "log.output " + settings.output + ": " + why);
}

}  // namespace gatehouse::control
