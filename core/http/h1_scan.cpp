#include "core/http/h1_scan.hpp"

#include <algorithm>
#include <array>

#include "core/base/log.hpp"
#include "core/http/detail/plain_octets.hpp"
#include "core/http/header_rules.hpp"

namespace gatehouse::http {
namespace {

constexpr std::size_t most_empty_lines = 4;

// Control octets stop the scan; all others only count.
constexpr std::array<bool, 256> stops = [] {
  std::array<bool, 256> set{};
  for (std::size_t c = 0; c < 0x20; ++c) set[c] = c != '\t';
  set[0x7f] = true;
  return set;
}();

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
  while (at_ < bytes.size()) {
    if (at_ == line_begin_) {
      const char first = bytes[at_];
      if (first == ' ' || first == '\t') return refuse(400, "folded_line");
      if (first == ':') return refuse(400, "empty_name");
    }
    at_ += detail::plain_prefix(bytes.substr(at_));
    while (at_ < bytes.size() && !stops[static_cast<unsigned char>(bytes[at_])]) ++at_;
    // A line that is too long is refused before its end arrives.
    const std::size_t length = at_ - line_begin_;
    started_ = started_ || length > 0;
    const bool start_line = lines_ == 0 && part_ == Part::head;
    if (start_line && length > std::min(limits_.start_line_bytes, limits_.header_bytes)) {
      return refuse(414, "target_too_long");
    }
    if (at_ - begin_ > limits_.header_bytes) return refuse(431, "head_too_large");
    if (at_ == bytes.size()) return State::more;
    if (bytes[at_] == '\n') return refuse(400, "bare_lf");
    if (bytes[at_] != '\r') return refuse(400, "control_octet");
    if (at_ + 1 == bytes.size()) return State::more;  // the LF decides
    if (bytes[at_ + 1] != '\n') return refuse(400, "bare_cr");
    at_ += 2;
    const State state = line_ended(length);
    if (state != State::more) return state;
    line_begin_ = at_;
  }
  return State::more;
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
  while (!lines.empty() && !lines.starts_with("\r\n")) {
    const std::size_t end = lines.find("\r\n");
    if (end == std::string_view::npos) return {400, "unended_line", {}};
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end + 2);
    const std::size_t colon = line.find(':');
    // RFC 9112 §5.1: whitespace before the colon has been used to smuggle, so it is no token here.
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
      return {400, "field_name", log::escaped(line, 64)};
    }
    const std::string_view value = trim(line.substr(colon + 1));
    if (!is_field_value(value)) return {400, "field_value", log::escaped(line, 64)};
    into.add(line.substr(0, colon), value);
  }
  return {};
}

}  // namespace gatehouse::http
