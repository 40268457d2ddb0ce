#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

/// One line per event, past tense, with fields: `certificate renewed name=a.example took_ms=5210`.
/// `error`: someone must act. `warn`: we coped. `info`: changes of state. `debug`: the rest.
/// Any thread may log. Keys, tokens, cookies and Authorization never come here; a peer's bytes are
/// escaped and cut short by the writer.
namespace gatehouse::log {

enum class Level { trace, debug, info, warn, error, off };
enum class Format { text, json };

class Field {
 public:
  Field(std::string_view key, std::string_view value) : key_(key), value_(value) {}
  Field(std::string_view key, const std::string& value) : key_(key), value_(value) {}
  Field(std::string_view key, const char* value) : key_(key), value_(value) {}
  Field(std::string_view key, bool value) : key_(key), value_(value ? "true" : "false") {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) Field(std::string_view key, T value)
      : key_(key), value_(std::to_string(value)), number_(true) {}
  Field(std::string_view key, std::chrono::milliseconds value) : Field(key, value.count()) {}

  std::string_view key() const { return key_; }
  std::string_view value() const { return value_; }
  bool number() const { return number_; }

 private:
  std::string_view key_;
  std::string value_;
  bool number_ = false;
};

/// Where lines go from now on. `output` is "stderr", "stdout" or a file's path. False: the file
/// cannot be opened, and the old output stays.
bool open(Level level, Format format, const std::string& output);
/// Opens the file again (after rotation).
bool reopen();
bool enabled(Level level);
void write(Level level, std::string_view event, std::initializer_list<Field> fields = {});

inline void debug(std::string_view event, std::initializer_list<Field> fields = {}) {
  if (enabled(Level::debug)) write(Level::debug, event, fields);
}
inline void info(std::string_view event, std::initializer_list<Field> fields = {}) {
  if (enabled(Level::info)) write(Level::info, event, fields);
}
inline void warn(std::string_view event, std::initializer_list<Field> fields = {}) {
  if (enabled(Level::warn)) write(Level::warn, event, fields);
}
inline void error(std::string_view event, std::initializer_list<Field> fields = {}) {
  if (enabled(Level::error)) write(Level::error, event, fields);
}

/// `value` as it may stand in a line: octets outside printable ASCII as \xNN, at most `most` of
/// them.
std::string escaped(std::string_view value, std::size_t most = 1024);
/// `value` as a JSON string without its quotes. Bytes that are no UTF-8 become \u00NN.
std::string json_escaped(std::string_view value, std::size_t most = 8192);

}  // namespace gatehouse::log
