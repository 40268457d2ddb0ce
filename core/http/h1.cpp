#include "core/http/h1.hpp"

#include <llhttp.h>

#include <algorithm>

#include "core/base/bytes.hpp"
#include "core/base/log.hpp"
#include "core/http/header_rules.hpp"

#if LLHTTP_VERSION_MAJOR < 9 && !LLHTTP_STRICT_MODE
#error "llhttp 8 without strict mode lets a bare CR end a line"
#endif

namespace gatehouse::http {
namespace {

Refusal refuse(int status, std::string_view reason, std::string_view seen = {}) {
  return {status, reason, log::escaped(seen, 64)};
}

// --- the second opinion -------------------------------------------------------------------------

int at_headers_complete(llhttp_t*) noexcept { return HPE_PAUSED; }

const llhttp_settings_t& settings() {
  static const llhttp_settings_t made = [] {
    llhttp_settings_t s;
    llhttp_settings_init(&s);
    s.on_headers_complete = &at_headers_complete;
    return s;
  }();
  return made;
}

/// What llhttp thinks of the head. It must agree that the head ends where we say; what it is known
/// to let pass (spaces, versions, hosts, codings) is checked by us.
llhttp_errno_t judge(llhttp_type_t type, std::string_view head) {
  llhttp_t parser;
  llhttp_init(&parser, type, &settings());
  const llhttp_errno_t verdict = llhttp_execute(&parser, head.data(), head.size());
  if (verdict != HPE_PAUSED) return verdict == HPE_OK ? HPE_INVALID_EOF_STATE : verdict;
  // Paused at the last octet of the head, or just past it.
  const auto seen = static_cast<std::size_t>(llhttp_get_error_pos(&parser) - head.data());
  return seen + 1 >= head.size() ? HPE_OK : HPE_STRICT;
}

// --- framing (RFC 9112 §6) ----------------------------------------------------------------------

struct Framing {
  std::size_t length_lines = 0;
  std::size_t coding_lines = 0;
  std::uint64_t length = 0;
  bool bad_length = false;
  bool bad_coding = false;
  std::size_t codings = 0;
  std::size_t chunked = 0;
  bool chunked_last = false;
};

/// 1 to 18 digits: cannot overflow, and nobody sends more.
bool parse_length(std::string_view digits, std::uint64_t& into) {
  if (digits.empty() || digits.size() > 18) return false;
  into = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return false;
    into = into * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return true;
}

/// Every member counts here, empty ones too: `, chunked` is read differently by different parsers.
void read_codings(std::string_view list, Framing& into) {
  for (;;) {
    const std::size_t comma = list.find(',');
    const std::string_view coding = trim(list.substr(0, comma));
    if (!is_token(coding)) into.bad_coding = true;
    into.chunked_last = equal_ignoring_case(coding, "chunked");
    into.chunked += into.chunked_last ? 1 : 0;
    ++into.codings;
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

/// Takes the framing fields out, because they are told by BodyLength from here on.
Framing take_framing(Fields& fields) {
  Framing out;
  fields.remove_if([&](const Field& line) {
    if (equal_ignoring_case(line.name, "content-length")) {
      ++out.length_lines;
      out.bad_length = !parse_length(line.value, out.length) || out.length_lines > 1;
      return true;
    }
    if (!equal_ignoring_case(line.name, "transfer-encoding")) return false;
    ++out.coding_lines;
    read_codings(line.value, out);
    return true;
  });
  return out;
}

Refusal decide_request_length(RequestHead& head) {
  const Framing framing = take_framing(head.fields);
  head.length = BodyLength::none();
  if (framing.coding_lines > 0) {
    // RFC 9112 §6.3: both framings at once is how requests are smuggled, so refuse instead of
    // choosing.
    if (framing.length_lines > 0) return refuse(400, "two_framings");
    if (head.version == Version::http10) return refuse(400, "coding_in_http10");
    if (framing.bad_coding || framing.chunked != 1 || !framing.chunked_last) {
      return refuse(400, "transfer_encoding");
    }
    if (framing.codings > 1) return refuse(501, "transfer_encoding");
    head.length = BodyLength::streamed();
  } else if (framing.length_lines > 0) {
    if (framing.bad_length) return refuse(400, "content_length");
    head.length = BodyLength::counted(framing.length);
  }
  return {};
}

bool may_have_body(const BodyLength& length) {
  return length.kind == BodyLength::Kind::streamed || length.bytes > 0;
}

// --- request line (RFC 9112 §3) -----------------------------------------------------------------

Refusal parse_version(std::string_view text, Version& into) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.size() != 8 || !text.starts_with("HTTP/") || !digit(text[5]) || text[6] != '.' ||
      !digit(text[7])) {
    return refuse(400, "version", text);
  }
  if (text == "HTTP/1.1") {
    into = Version::http11;
  } else if (text == "HTTP/1.0") {
    into = Version::http10;
  } else {
    return refuse(505, "version", text);
  }
  return {};
}

Refusal check_method(const RequestHead& head) {
  // RFC 9113 §3.4 reserves PRI for the HTTP/2 preface.
  if (head.method == "PRI") return refuse(400, "method", head.method);
  // No tunnels to wherever the client likes (RFC 9110 §9.3.6), and no echo of its credentials.
  if (head.method == "CONNECT" || head.method == "TRACE") {
    return refuse(405, "method", head.method);
  }
  return {};
}

void split_target(std::string_view target, RequestHead& into) {
  const std::size_t mark = target.find('?');
  into.has_query = mark != std::string_view::npos;
  into.path = target.substr(0, mark);
  into.query = into.has_query ? target.substr(mark + 1) : std::string_view();
}

/// RFC 9112 §3.2.2: its authority replaces the Host field.
Refusal parse_absolute_form(std::string_view target, Scheme connection, RequestHead& into) {
  const std::size_t colon = target.find("://");
  const std::string_view scheme = target.substr(0, colon);
  const bool secure = equal_ignoring_case(scheme, "https");
  if (!secure && !equal_ignoring_case(scheme, "http")) return refuse(400, "target", target);
  if (connection != Scheme::any && secure != (connection == Scheme::https)) {
    return refuse(421, "scheme", target);
  }
  const std::string_view rest = target.substr(colon + 3);
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  into.authority = rest.substr(0, end);
  split_target(rest.substr(end), into);
  // RFC 9112 §3.2.4: OPTIONS with neither path nor query asks about the server as a whole.
  if (into.path.empty()) into.path = into.method == "OPTIONS" && !into.has_query ? "*" : "/";
  if (!parse_authority(into.authority, into.host, into.port)) {
    return refuse(400, "target", target);
  }
  return {};
}

Refusal parse_target(std::string_view target, Scheme scheme, RequestHead& into) {
  if (!is_target(target)) return refuse(400, "target", target);
  into.authority = {};
  into.host.clear();
  into.port = 0;
  if (target.front() == '/') {
    split_target(target, into);
    return {};
  }
  if (target == "*" && into.method == "OPTIONS") {
    split_target(target, into);
    return {};
  }
  if (target.find("://") == std::string_view::npos) return refuse(400, "target", target);
  return parse_absolute_form(target, scheme, into);
}

Refusal parse_request_line(std::string_view line, Scheme scheme, RequestHead& into) {
  // Exactly two single spaces: leniency here is a smuggling aid (RFC 9112 §3, §11.2).
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return refuse(400, "request_line", line);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  into.method = line.substr(0, first);
  if (!is_token(into.method)) return refuse(400, "method", line);
  if (target.find(' ') != std::string_view::npos) return refuse(400, "request_line", line);
  if (auto refusal = parse_version(line.substr(last + 1), into.version)) return refusal;
  if (auto refusal = check_method(into)) return refusal;
  return parse_target(target, scheme, into);
}

// --- request fields -----------------------------------------------------------------------------

/// RFC 9112 §3.2: exactly one valid Host, in HTTP/1.0 at most one.
Refusal take_host(RequestHead& head) {
  std::size_t lines = 0;
  std::string_view value;
  head.fields.remove_if([&](const Field& line) {
    if (!equal_ignoring_case(line.name, "host")) return false;
    ++lines;
    value = line.value;
    return true;
  });
  if (lines > 1) return refuse(400, "two_hosts");
  if (lines == 0) {
    if (head.version == Version::http11) return refuse(400, "no_host");
    return {};
  }
  if (!head.authority.empty()) {
    // The target has spoken, but a Host that no client may send is still refused.
    std::string host;
    std::uint16_t port = 0;
    return parse_authority(value, host, port) ? Refusal() : refuse(400, "host", value);
  }
  if (!parse_authority(value, head.host, head.port)) return refuse(400, "host", value);
  head.authority = value;
  return {};
}

/// RFC 9110 §10.1.1. Obscure values have made two ends disagree about who sends next.
Refusal read_expect(RequestHead& head) {
  head.expects_continue = false;
  if (head.version == Version::http10) return {};
  std::size_t lines = 0;
  for (const Field& line : head.fields) {
    if (!equal_ignoring_case(line.name, "expect")) continue;
    if (++lines > 1 || !equal_ignoring_case(line.value, "100-continue")) {
      return refuse(417, "expect", line.value);
    }
  }
  head.expects_continue = lines == 1 && may_have_body(head.length);
  return {};
}

bool is_websocket_version(std::string_view text) {
  return !text.empty() && text.size() <= 3 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// RFC 6455 §4.2.1. An Upgrade that is none of this is no upgrade: it falls with the other
/// hop-by-hop fields and the request goes on as an ordinary one. The version's value is for the
/// server to judge, which answers 426 with the ones it speaks.
Refusal read_upgrade(RequestHead& head) {
  head.websocket = false;
  if (head.version != Version::http11 || head.method != "GET") return {};
  if (!list_has(head.fields, "upgrade", "websocket")) return {};
  if (!list_has(head.fields, "connection", "upgrade")) return {};
  const auto key = head.fields.find("sec-websocket-key");
  const auto version = head.fields.find("sec-websocket-version");
  if (!key || !is_websocket_key(*key) || head.fields.count("sec-websocket-key") != 1) return {};
  if (!version || !is_websocket_version(*version)) return {};
  if (head.fields.count("sec-websocket-version") != 1) return {};
  if (may_have_body(head.length)) return refuse(400, "upgrade_with_body");
  head.websocket = true;
  return {};
}

Refusal refusal_of(llhttp_errno_t verdict, const RequestHead& head) {
  if (verdict == HPE_INVALID_METHOD || verdict == HPE_INVALID_CONSTANT) {
    return refuse(501, "method", head.method);
  }
  return refuse(400, llhttp_errno_name(verdict));
}

// --- responses ----------------------------------------------------------------------------------

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

Result<void> decide_response_length(Asked asked, Side side, ResponseHead& head) {
  const Framing framing = take_framing(head.fields);
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

Refusal parse_request_head(std::string_view head, Scheme scheme, RequestHead& into) {
  // HTTP/2 without TLS is not spoken on this connection.
  if (head == h2_preface_head) return refuse(505, "h2_preface");
  const std::size_t line_end = head.find("\r\n");
  if (line_end == std::string_view::npos) return refuse(400, "request_line");
  if (auto refusal = parse_request_line(head.substr(0, line_end), scheme, into)) return refusal;
  if (auto refusal = split_fields(head.substr(line_end + 2), into.fields)) return refusal;
  if (auto refusal = take_host(into)) return refusal;
  if (auto refusal = decide_request_length(into)) return refusal;
  const llhttp_errno_t verdict = judge(HTTP_REQUEST, head);
  if (verdict != HPE_OK) return refusal_of(verdict, into);
  if (auto refusal = read_expect(into)) return refusal;
  into.accepts_trailers = list_has(into.fields, "te", "trailers");
  return read_upgrade(into);
}

Result<void> parse_response_head(std::string_view head, Asked asked, Side side,
                                 ResponseHead& into) {
  const std::size_t line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  if (line_end == std::string_view::npos || !parse_status_line(line, into)) {
    return bad(side, "invalid status line", line);
  }
  if (auto refusal = split_fields(head.substr(line_end + 2), into.fields)) {
    return bad(side, refusal.reason, refusal.detail);
  }
  auto length = decide_response_length(asked, side, into);
  if (!length) return length;
  const llhttp_errno_t verdict = judge(HTTP_RESPONSE, head);
  if (verdict != HPE_OK) return bad(side, llhttp_errno_name(verdict));
  into.websocket = false;
  if (into.status == 101) {
    into.websocket = asked.websocket && list_has(into.fields, "upgrade", "websocket") &&
                     list_has(into.fields, "connection", "upgrade");
    if (!into.websocket) return bad(side, "switching protocols unasked");
  }
  return Result<void>();
}

bool has_body(Asked asked, int status) {
  return !asked.head && status >= 200 && status != 204 && status != 304;
}

bool persists(Version version, const Fields& fields) {
  // RFC 9112 §9.3: close wins over keep-alive.
  if (list_has(fields, "connection", "close")) return false;
  return version != Version::http10 || list_has(fields, "connection", "keep-alive");
}

}  // namespace gatehouse::http
