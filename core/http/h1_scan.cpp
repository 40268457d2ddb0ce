#include "core/http/h1_scan.hpp"

#include <algorithm>

#include "core/base/log.hpp"
#include "core/http/detail/plain_octets.hpp"
#include "core/http/header_rules.hpp"

namespace gatehouse::http {
namespace {

constexpr std::size_t most_empty_lines = 4;
constexpr std::string_view line_end = "\r\n";

/// A line that folds the one before, or one without a name. A start line may be neither, too.
bool begins_badly(char first) { return first == ' ' || first == '\t' || first == ':'; }

/// The first of the lines is at fault.
Refusal refuse_line(std::string_view lines, std::string_view reason) {
  const std::size_t end = lines.find(line_end);
  if (end == std::string_view::npos) return {400, "unended_line", {}};
  return refuse(400, reason, lines.substr(0, end));
}

enum class Line : std::uint8_t { field, bad_name, bad_value };

/// Moves the first line from `lines` to `into`; a bad one stays.
[[gnu::always_inline]] inline Line take_line(std::string_view& lines, Fields& into) {
  const char* const begin = lines.data();
  const char* const end = begin + lines.size();
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  const char* const colon = begin + token_prefix(lines);
  // RFC 9112 §5.1: whitespace before the colon has been used to smuggle, so it is no token here.
  if (colon == begin || colon == end || *colon != ':') return Line::bad_name;
  const char* value = colon + 1;
  while (value != end && blank(*value)) ++value;
  const char* const behind = value + detail::text_prefix({value, end});
  if (!std::string_view(behind, end).starts_with(line_end)) return Line::bad_value;
  const char* value_end = behind;
  while (value_end != value && blank(value_end[-1])) --value_end;
  const std::string_view name(begin, colon);
  into.add({name, {value, value_end}, field_name(name)});
  lines.remove_prefix(static_cast<std::size_t>(behind - begin) + line_end.size());
  return Line::field;
}

}  // namespace

void HeadScanner::reset() {
  started_ = false;
  at_ = begin_ = line_begin_ = lines_ = empty_lines_ = 0;
  refusal_ = {};
}

Refusal refuse(int status, std::string_view reason, std::string_view seen) {
  return {status, reason, log::escaped(seen, 64)};
}

HeadScanner::State HeadScanner::refuse(int status, std::string_view reason) {
  refusal_.status = status;
  refusal_.reason = reason;
  return State::refused;
}

HeadScanner::State HeadScanner::scan(std::string_view bytes) {
  if (refusal_) return State::refused;
  for (;;) {
    const std::size_t line = line_begin_;
    const State seen = scan_line(bytes);
    if (seen != State::more || line_begin_ == line) return seen;
  }
}

/// More: the line is not there yet, or it has ended and the next one begins.
[[gnu::always_inline]] inline HeadScanner::State HeadScanner::scan_line(std::string_view bytes) {
  if (at_ == bytes.size()) return State::more;
  if (at_ == line_begin_) {
    const char first = bytes[at_];
    if (first == ' ' || first == '\t') return refuse(400, "folded_line");
    if (first == ':') return refuse(400, "empty_name");
  }
  at_ += detail::text_prefix(bytes.substr(at_));
  // A line that is too long is refused before its end arrives.
  const std::size_t length = at_ - line_begin_;
  started_ = started_ || length > 0;
  const bool start_line = lines_ == 0 && part_ == Part::head;
  if (start_line && length > std::min(limits_.start_line_bytes, limits_.header_bytes)) {
    return refuse(414, "target_too_long");
  }
  if (at_ - begin_ > limits_.header_bytes) return refuse(431, "head_too_large");
  const std::string_view end = bytes.substr(at_);
  if (!end.starts_with(line_end)) {
    if (end.empty() || end == "\r") return State::more;  // the LF decides
    if (end.front() == '\n') return refuse(400, "bare_lf");
    if (end.front() == '\r') return refuse(400, "bare_cr");
    return refuse(400, "control_octet");
  }
  line_begin_ = at_ += line_end.size();
  return line_ended(length);
}

HeadScanner::State HeadScanner::line_ended(std::size_t length) {
  if (length == 0) {
    if (lines_ > 0 || part_ == Part::trailers) return State::complete;
    begin_ = at_;
    if (++empty_lines_ > most_empty_lines) return refuse(400, "empty_lines");
    return State::more;
  }
  const std::size_t start_lines = part_ == Part::head ? 1 : 0;
  if (++lines_ > limits_.header_count + start_lines) return refuse(431, "too_many_fields");
  return State::more;
}

Refusal split_fields(std::string_view lines, Fields& into) {
  while (!lines.empty() && !lines.starts_with(line_end)) {
    switch (take_line(lines, into)) {
      case Line::field:
        break;
      case Line::bad_name:
        return refuse_line(lines, "field_name");
      case Line::bad_value:
        return refuse_line(lines, "field_value");
    }
  }
  return {};
}

[[gnu::flatten]] std::size_t split_whole_head(std::string_view bytes, const HeadLimits& limits,
                                              Fields& into) {
  const std::size_t start_line = detail::text_prefix(bytes);
  if (start_line == 0 || start_line > limits.start_line_bytes ||
      !bytes.substr(start_line).starts_with(line_end) || begins_badly(bytes.front())) {
    return 0;
  }
  std::string_view lines = bytes.substr(start_line + line_end.size());
  while (!lines.starts_with(line_end)) {
    if (take_line(lines, into) != Line::field || into.size() > limits.header_count) {
      into.clear();
      return 0;
    }
  }
  const std::size_t without_end = bytes.size() - lines.size();
  if (without_end > limits.header_bytes) {
    into.clear();
    return 0;
  }
  return without_end + line_end.size();
}

}  // namespace gatehouse::http
