#include <algorithm>

#include "core/base/log.hpp"
#include "core/http/detail/h1_head.hpp"
#include "core/http/h1.hpp"
#include "core/http/header_rules.hpp"

namespace gatehouse::http {
namespace {

Error bad(Side side, std::string_view why, std::string_view seen = {}) {
  std::string detail(why);
  if (!seen.empty()) detail += ": '" + log::escaped(seen, 64) + "'";
  return Error(Fault::bad_message, side, std::move(detail));
}

/// `HTTP/1.1 200 OK`; some servers leave out the space before an empty reason.
bool parse_status_line(std::string_view line, ResponseHead& into) {
  const std::string_view version = line.substr(0, 9);
  if (version == "HTTP/1.1 ") {
    into.version = Version::http11;
  } else if (version == "HTTP/1.0 ") {
    into.version = Version::http10;
  } else {
    return false;
  }
  const std::string_view code = line.substr(9, 3);
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (code.size() != 3 || !std::all_of(code.begin(), code.end(), digit) || code[0] == '0') {
    return false;
  }
  into.status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
  const std::string_view rest = line.substr(12);
  if (!rest.empty() && rest.front() != ' ') return false;
  into.reason = rest.empty() ? rest : rest.substr(1);
  return is_field_value(into.reason);
}

Result<void> decide_response_length(Asked asked, Side side, const detail::Framing& framing,
                                    ResponseHead& head) {
  if (framing.coding_lines > 0 && framing.length_lines > 0) {
    return bad(side, "both Content-Length and Transfer-Encoding");
  }
  if (framing.bad_length) return bad(side, "invalid Content-Length");
  if (framing.coding_lines > 0 && head.version == Version::http10) {
    return bad(side, "Transfer-Encoding in HTTP/1.0");
  }
  if (framing.bad_coding || framing.chunked > 1) return bad(side, "invalid Transfer-Encoding");
  if (framing.codings > 1 && framing.chunked_last) return bad(side, "coding under chunked");
  head.length = BodyLength::until_close();
  if (framing.length_lines > 0) head.length = BodyLength::counted(framing.length);
  if (framing.chunked_last) head.length = BodyLength::streamed();
  const bool told = framing.length_lines + framing.coding_lines > 0;
  // RFC 9110 §8.6: no length in 1xx and 204; in a 304 it tells of the body not sent.
  if (head.status < 200 || head.status == 204) head.length = BodyLength::none();
  if (head.status == 304 && !told) head.length = BodyLength::none();
  if (asked.head && !told && head.status >= 200) head.length = BodyLength::until_close();
  return Result<void>();
}

}  // namespace

Result<void> parse_response_head(HeadText text, Asked asked, Side side, ResponseHead& into) {
  const std::string_view head = text.bytes;
  const std::size_t line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  if (line_end == std::string_view::npos || !parse_status_line(line, into)) {
    return bad(side, "invalid status line", line);
  }
  if (!text.split) {
    if (auto refusal = split_fields(head.substr(line_end + 2), into.fields)) {
      return bad(side, refusal.reason, refusal.detail);
    }
  }
  const detail::Framing framing = detail::take_framing(into.fields);
  auto length = decide_response_length(asked, side, framing, into);
  if (!length) return length;
  if (framing.coding_lines > 0 || into.status < 200) {
    const auto opinion = detail::second_opinion(detail::HeadKind::response, head);
    if (!opinion.fine) return bad(side, opinion.name);
  }
  into.websocket = false;
  if (into.status == 101) {
    into.websocket = asked.websocket && list_has(into.fields, FieldName::upgrade, "websocket") &&
                     list_has(into.fields, FieldName::connection, "upgrade");
    if (!into.websocket) return bad(side, "switching protocols unasked");
  }
  return Result<void>();
}

bool has_body(Asked asked, int status) {
  return !asked.head && status >= 200 && status != 204 && status != 304;
}

bool persists(Version version, const Fields& fields) {
  // RFC 9112 §9.3: close wins over keep-alive.
  if (list_has(fields, FieldName::connection, "close")) return false;
  return version != Version::http10 || list_has(fields, FieldName::connection, "keep-alive");
}

}  // namespace gatehouse::http
