#include "proxy/serve/matchers.hpp"

#include "core/base/bytes.hpp"
#include "proxy/serve/request_path.hpp"

namespace gatehouse::serve {
namespace {

/// Takes the next octet off a query's text: '+' is a space, escapes are undone, broken ones stand
/// for themselves.
char take_octet(std::string_view& text) {
  const int escaped = text.front() == '%' ? escaped_octet(text, 0) : -1;
  const char octet =
      escaped >= 0 ? static_cast<char>(escaped) : (text.front() == '+' ? ' ' : text.front());
  text.remove_prefix(escaped >= 0 ? 3 : 1);
  return octet;
}

bool same_decoded(std::string_view encoded, std::string_view plain) {
  while (!encoded.empty() && !plain.empty()) {
    if (take_octet(encoded) != plain.front()) return false;
    plain.remove_prefix(1);
  }
  return encoded.empty() && plain.empty();
}

std::string_view without_mark(std::string_view text) {
  text.remove_prefix(1);
  const std::size_t begin = text.find_first_not_of(' ');
  return text.substr(begin == std::string_view::npos ? text.size() : begin);
}

}  // namespace

PathPattern::PathPattern(std::string_view text) : path_(text) {
  if (text.ends_with("/*")) {
    prefix_ = true;
    path_.resize(text.size() - 2);
  }
}

bool PathPattern::matches(std::string_view path) const {
  if (!prefix_) return path == path_;
  return path.starts_with(path_) && (path.size() == path_.size() || path[path_.size()] == '/');
}

bool is_expression(std::string_view text) { return text.starts_with('~'); }

Result<Pattern> expression_of(std::string_view text) {
  return Pattern::compile(without_mark(text));
}

Result<ValueRule> ValueRule::make(std::string_view written) {
  ValueRule rule;
  rule.expression_ = is_expression(written);
  if (!rule.expression_) {
    rule.text_ = written;
    return rule;
  }
  auto pattern = expression_of(written);
  if (!pattern) return pattern.error();
  rule.pattern_ = std::move(*pattern);
  return rule;
}

bool ValueRule::takes(std::string_view value) const {
  return expression_ ? pattern_.found_in(value) : value == text_;
}

bool ValueRule::takes_encoded(std::string_view value) const {
  if (!expression_) return same_decoded(value, text_);
  if (value.find_first_of("%+") == std::string_view::npos) return pattern_.found_in(value);
  std::string decoded;
  while (!value.empty()) decoded += take_octet(value);
  return pattern_.found_in(decoded);
}

bool FieldRule::matches(const http::RequestHead& request) const {
  // Host is no field of the head any more.
  if (equal_ignoring_case(name, "Host")) {
    return value.wants_absence() ? request.authority.empty() : value.takes(request.authority);
  }
  bool there = false;
  for (const http::Field& line : request.fields) {
    if (!equal_ignoring_case(line.name, name)) continue;
    there = true;
    if (!value.wants_absence() && value.takes(line.value)) return true;
  }
  return !there && value.wants_absence();
}

bool QueryRule::matches(std::string_view query) const {
  bool there = false;
  while (!query.empty()) {
    const std::string_view parameter = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(parameter.size() + 1, query.size()));
    const std::size_t equals = parameter.find('=');
    if (!same_decoded(parameter.substr(0, equals), name)) continue;
    there = true;
    const std::string_view given =
        equals == std::string_view::npos ? std::string_view() : parameter.substr(equals + 1);
    if (!value.wants_absence() && value.takes_encoded(given)) return true;
  }
  return !there && value.wants_absence();
}

}  // namespace gatehouse::serve
