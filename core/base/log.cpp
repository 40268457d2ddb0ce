#include "core/base/log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <mutex>

#include "core/base/time_format.hpp"

namespace gatehouse::log {
namespace {

std::atomic<Level> lowest{Level::info};
std::mutex opening;  // taken by open() and write(): a line is never lost between two outputs
Format format = Format::text;
std::string output = "stderr";
std::shared_ptr<spdlog::logger> logger;

std::shared_ptr<spdlog::logger> make_logger(const std::string& where) {
  spdlog::sink_ptr sink;
  if (where == "stderr") {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else if (where == "stdout") {
    sink = std::make_shared<spdlog::sinks::stdout_sink_mt>();
  } else {
    sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(where);
  }
  auto made = std::make_shared<spdlog::logger>("gatehouse", std::move(sink));
  made->set_pattern("%v");
  made->set_level(spdlog::level::trace);
  made->flush_on(spdlog::level::trace);
  return made;
}

const char* name(Level level) {
  switch (level) {
    case Level::trace:
      return "trace";
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warn:
      return "warn";
    case Level::error:
      return "error";
    case Level::off:
      return "off";
  }
  return "unknown";
}

bool needs_quotes(std::string_view value) {
  return value.empty() || value.find_first_of(" =\"") != std::string_view::npos;
}

std::string text_line(Level level, std::string_view event, std::initializer_list<Field> fields) {
  std::string line = rfc3339(std::chrono::system_clock::now());
  line.append(" ").append(name(level)).append(" ").append(event);
  for (const Field& field : fields) {
    line.append(" ").append(field.key()).append("=");
    const std::string value = escaped(field.value());
    if (!needs_quotes(value)) {
      line += value;
      continue;
    }
    line += '"';
    for (const char c : value) {
      if (c == '"') line += '\\';
      line += c;
    }
    line += '"';
  }
  return line;
}

std::string json_line(Level level, std::string_view event, std::initializer_list<Field> fields) {
  std::string line = "{\"ts\":\"" + rfc3339(std::chrono::system_clock::now()) + "\",\"level\":\"";
  line.append(name(level)).append("\",\"event\":\"").append(json_escaped(event)).append("\"");
  for (const Field& field : fields) {
    line.append(",\"").append(json_escaped(field.key())).append("\":");
    if (field.number()) {
      line += field.value();
    } else {
      line.append("\"").append(json_escaped(field.value())).append("\"");
    }
  }
  line += '}';
  return line;
}

/// Length of the well-formed UTF-8 sequence at the start of `text`, 0 when there is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto tail = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!tail(1) || !tail(2)) return 0;
    if (first == 0xE0 && byte(1) < 0xA0) return 0;
    if (first == 0xED && byte(1) > 0x9F) return 0;  // surrogates
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (first == 0xF0 && byte(1) < 0x90) return 0;
    if (first == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

constexpr char hex_digits[] = "0123456789abcdef";

}  // namespace

bool open(Level level, Format wanted, const std::string& where) {
  std::shared_ptr<spdlog::logger> next;
  try {
    next = make_logger(where);
  } catch (const spdlog::spdlog_ex&) {
    return false;
  }
  const std::lock_guard lock(opening);
  logger = std::move(next);
  format = wanted;
  output = where;
  lowest = level;
  return true;
}

bool reopen() {
  std::string where;
  Format wanted;
  {
    const std::lock_guard lock(opening);
    where = output;
    wanted = format;
  }
  return open(lowest, wanted, where);
}

bool enabled(Level level) { return level >= lowest.load(std::memory_order_relaxed); }

void write(Level level, std::string_view event, std::initializer_list<Field> fields) {
  const std::lock_guard lock(opening);
  if (!logger) logger = make_logger(output);
  const std::string line =
      format == Format::json ? json_line(level, event, fields) : text_line(level, event, fields);
  logger->log(spdlog::level::info, std::string_view(line));
}

std::string escaped(std::string_view value, std::size_t most) {
  std::string out;
  const bool cut = value.size() > most;
  for (const char c : value.substr(0, most)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      out += c;
    } else {
      out.append("\\x").append(1, hex_digits[byte >> 4]).append(1, hex_digits[byte & 15]);
    }
  }
  if (cut) out += "...";
  return out;
}

std::string json_escaped(std::string_view value, std::size_t most) {
  std::string out;
  out.reserve(value.size() + 8);
  const bool cut = value.size() > most;
  std::string_view rest = value.substr(0, most);
  while (!rest.empty()) {
    const std::size_t length = utf8_length(rest);
    const auto byte = static_cast<unsigned char>(rest[0]);
    if (length > 1) {
      out.append(rest.substr(0, length));
    } else if (length == 1 && byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7F) {
      out += rest[0];
    } else if (byte == '"' || byte == '\\') {
      out.append("\\").append(1, rest[0]);
    } else {
      out.append("\\u00").append(1, hex_digits[byte >> 4]).append(1, hex_digits[byte & 15]);
    }
    rest.remove_prefix(length == 0 ? 1 : length);
  }
  if (cut) out += "...";
  return out;
}

}  // namespace gatehouse::log
