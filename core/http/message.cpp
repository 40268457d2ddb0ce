#include "core/http/message.hpp"

#include <algorithm>

#include "core/base/bytes.hpp"

namespace gatehouse::http {

std::string_view version_text(Version version) {
  switch (version) {
    case Version::http10:
      return "HTTP/1.0";
    case Version::http11:
      return "HTTP/1.1";
    case Version::http2:
      return "HTTP/2";
  }
  return {};
}

void Fields::add_copy(const Field& line) {
  const std::string_view name = keep(line.name);
  add({name, keep(line.value), line.which});
}

std::optional<std::string_view> Fields::find(std::string_view name) const {
  for (const Field& line : lines_) {
    if (equal_ignoring_case(line.name, name)) return line.value;
  }
  return {};
}

std::optional<std::string_view> Fields::find(FieldName which) const {
  if (!may_have({which})) return {};
  for (const Field& line : lines_) {
    if (line.which == which) return line.value;
  }
  return {};
}

std::size_t Fields::count(std::string_view name) const {
  std::size_t found = 0;
  for (const Field& line : lines_) found += equal_ignoring_case(line.name, name) ? 1 : 0;
  return found;
}

std::size_t Fields::remove(std::string_view name) {
  return remove_if([&](const Field& line) { return equal_ignoring_case(line.name, name); });
}

void Fields::set(std::string_view name, std::string_view value) {
  remove(name);
  add(name, value);
}

void Fields::grow() { lines_.reserve(std::max(usual_lines, lines_.capacity() * 2)); }

void Fields::clear() {
  seen_ = {};
  lines_ = Lines();  // `= {}` would keep the memory
  kept_.clear();
}

}  // namespace gatehouse::http
