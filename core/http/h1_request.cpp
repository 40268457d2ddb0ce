#include <algorithm>

#include "core/base/bytes.hpp"
#include "core/base/log.hpp"
#include "core/http/detail/h1_head.hpp"
#include "core/http/h1.hpp"
#include "core/http/header_rules.hpp"

namespace gatehouse::http {
namespace {

// --- framing (RFC 9112 §6) ----------------------------------------------------------------------

Refusal decide_request_length(RequestHead& head) {
  const detail::Framing framing = detail::take_framing(head.fields);
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

/// llhttp knows these, and is not asked about them: detail::second_opinion().
bool is_usual_method(std::string_view method) {
  switch (method.size()) {
    case 3:
      return method == "GET" || method == "PUT";
    case 4:
      return method == "POST" || method == "HEAD";
    case 5:
      return method == "PATCH";
    case 6:
      return method == "DELETE";
    case 7:
      return method == "OPTIONS";
    default:
      return false;
  }
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
  head.fields.take(FieldName::host, [&](std::string_view line) {
    ++lines;
    value = line;
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
  if (head.version == Version::http10 || !head.fields.may_have({FieldName::expect})) return {};
  std::size_t lines = 0;
  for (const Field& line : head.fields) {
    if (line.which != FieldName::expect) continue;
    if (++lines > 1 || !equal_ignoring_case(line.value, "100-continue")) {
      return refuse(417, "expect", line.value);
    }
  }
  head.expects_continue = lines == 1 && head.length.expected();
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
  if (!list_has(head.fields, FieldName::upgrade, "websocket")) return {};
  if (!list_has(head.fields, FieldName::connection, "upgrade")) return {};
  const auto key = head.fields.find("sec-websocket-key");
  const auto version = head.fields.find("sec-websocket-version");
  if (!key || !is_websocket_key(*key) || head.fields.count("sec-websocket-key") != 1) return {};
  if (!version || !is_websocket_version(*version)) return {};
  if (head.fields.count("sec-websocket-version") != 1) return {};
  if (head.length.expected()) return refuse(400, "upgrade_with_body");
  head.websocket = true;
  return {};
}

}  // namespace

Refusal parse_request_head(HeadText text, Scheme scheme, RequestHead& into) {
  const std::string_view head = text.bytes;
  // HTTP/2 without TLS is not spoken on this connection.
  if (head == h2_preface_head) return refuse(505, "h2_preface");
  const std::size_t line_end = head.find("\r\n");
  if (line_end == std::string_view::npos) return refuse(400, "request_line");
  if (auto refusal = parse_request_line(head.substr(0, line_end), scheme, into)) return refusal;
  const bool origin_form = into.path.starts_with('/') && into.authority.empty();
  if (!text.split) {
    if (auto refusal = split_fields(head.substr(line_end + 2), into.fields)) return refusal;
  }
  if (auto refusal = take_host(into)) return refusal;
  if (auto refusal = decide_request_length(into)) return refusal;
  const bool chunked = into.length.kind == BodyLength::Kind::streamed;
  if (!origin_form || chunked || !is_usual_method(into.method)) {
    const auto opinion = detail::second_opinion(detail::HeadKind::request, head);
    if (!opinion.fine) {
      if (opinion.unknown_method) return refuse(501, "method", into.method);
      return refuse(400, opinion.name);
    }
  }
  if (repeats_authorization(into.fields)) return refuse(400, "two_authorizations");
  if (auto refusal = read_expect(into)) return refusal;
  into.accepts_trailers = list_has(into.fields, FieldName::te, "trailers");
  return read_upgrade(into);
}

}  // namespace gatehouse::http
