#include "core/http/h2_fields.hpp"

#include <algorithm>
#include <charconv>

#include "core/base/bytes.hpp"
#include "core/base/log.hpp"
#include "core/http/header_rules.hpp"

namespace gatehouse::http {
namespace {

// RFC 9113 §6.5.2: what a field costs beyond its octets.
constexpr std::size_t field_overhead = 32;
// A block that is so many times over a limit is no mistake.
constexpr std::size_t bomb_factor = 16;
constexpr std::size_t crumbs_per_field = 5;

/// RFC 9113 §8.2.2.
constexpr FieldNames connection_specific = {FieldName::connection, FieldName::proxy_connection,
                                            FieldName::keep_alive, FieldName::transfer_encoding,
                                            FieldName::upgrade};

/// 1 to 18 digits: cannot overflow, and nobody sends more.
bool parse_length(std::string_view digits, std::uint64_t& into) {
  if (digits.empty() || digits.size() > 18) return false;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
  return ec == std::errc() && end == digits.data() + digits.size();
}

}  // namespace

// --- collecting ---------------------------------------------------------------------------------

void H2Block::begin(Fields& into) {
  into_ = &into;
  pseudo_ = {};
  seen_ = 0;
  malformed_ = {};
  cookie_.clear();
  regular_seen_ = too_large_ = false;
  count_ = crumbs_ = bytes_ = 0;
}

bool H2Block::malformed(std::string_view reason) {
  if (malformed_.empty()) malformed_ = reason;
  return false;
}

bool H2Block::add(std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size() + field_overhead;
  // Browsers send each cookie as a crumb of its own, dozens of them: a larger count is theirs.
  const bool pseudo = name.starts_with(':');
  const FieldName which = pseudo ? FieldName::other : field_name(name);
  const bool crumb = which == FieldName::cookie;
  std::size_t& count = crumb ? crumbs_ : count_;
  const std::size_t most =
      crumb ? limits_.header_count * crumbs_per_field : limits_.header_count + pseudos;
  if (++count > most || bytes_ > limits_.header_bytes) too_large_ = true;
  if (too_large_) {
    return count_ + crumbs_ <= limits_.header_count * bomb_factor &&
           bytes_ <= limits_.header_bytes * bomb_factor;
  }
  if (!malformed_.empty()) return true;
  if (pseudo) {
    add_pseudo(name, value);
  } else {
    add_regular({name, value, which});
  }
  return true;
}

H2Block::Pseudo H2Block::pseudo_named(std::string_view name) {
  switch (name.size()) {
    case 5:
      return name == ":path" ? path : pseudos;
    case 7:
      return name == ":method"   ? method
             : name == ":scheme" ? scheme
             : name == ":status" ? status
                                 : pseudos;
    case 9:
      return name == ":protocol" ? protocol : pseudos;
    case 10:
      return name == ":authority" ? authority : pseudos;
    default:
      return pseudos;
  }
}

bool H2Block::add_pseudo(std::string_view name, std::string_view value) {
  if (regular_seen_) return malformed("pseudo_field_late");
  const Pseudo which = pseudo_named(name);
  if (which == pseudos) return malformed("pseudo_field_unknown");
  if (has(which)) return malformed("pseudo_field_twice");
  if (!is_field_value(value)) return malformed("pseudo_field_value");
  seen_ |= 1U << which;
  pseudo_[which] = into_->keep(value);
  return true;
}

void H2Block::add_regular(const Field& line) {
  regular_seen_ = true;
  const std::string_view value = line.value;
  if (!is_lower_case_token(line.name)) {
    malformed("field_name");
  } else if (!is_field_value(value) || trim(value).size() != value.size()) {
    malformed("field_value");
  } else if (connection_specific.has(line.which)) {
    malformed("connection_field");
  } else if (line.which == FieldName::te && !equal_ignoring_case(value, "trailers")) {
    malformed("te");
  } else if (line.which == FieldName::cookie) {
    if (crumbs_ > 1) cookie_ += "; ";
    cookie_ += value;
  } else {
    into_->add_copy(line);
  }
}

// --- judging ------------------------------------------------------------------------------------

Refusal H2Block::regular_fields() {
  if (too_large_) return refuse(431, "header_too_large");
  if (!malformed_.empty()) return refuse(400, malformed_);
  if (crumbs_ > 0) into_->add_copy({"cookie", cookie_, FieldName::cookie});
  return {};
}

Refusal H2Block::body_length(End end, BodyLength& into) {
  std::size_t lines = 0;
  std::uint64_t bytes = 0;
  bool bad = false;
  into_->take(FieldName::content_length, [&](std::string_view value) {
    ++lines;
    bad = !parse_length(value, bytes) || lines > 1;
  });
  if (bad) return refuse(400, "content_length");
  if (lines > 0) {
    into = BodyLength::counted(bytes);
  } else {
    into = end == End::last ? BodyLength::none() : BodyLength::streamed();
  }
  return {};
}

Refusal H2Block::request(Scheme scheme_of_connection, End end, std::string_view key_octets,
                         RequestHead& into) {
  if (auto refusal = regular_fields()) return refusal;
  if (has(status) || !has(method)) return refuse(400, "pseudo_fields");
  into.version = Version::http2;
  into.method = pseudo_[method];
  if (!is_token(into.method) || into.method == "PRI") return refuse(400, "method", into.method);
  const bool connect = into.method == "CONNECT";
  if (has(protocol) && !connect) return refuse(400, "protocol");
  if (!connect || has(protocol)) {
    if (!has(scheme) || !has(path)) return refuse(400, "pseudo_fields");
  } else if (has(scheme) || has(path)) {
    return refuse(400, "pseudo_fields");
  }
  // No tunnels to wherever the client likes (RFC 9110 §9.3.6), and no echo of its credentials.
  if ((connect && !has(protocol)) || into.method == "TRACE") return refuse(405, "method");
  if (connect && !equal_ignoring_case(pseudo_[protocol], "websocket")) {
    return refuse(501, "protocol", pseudo_[protocol]);
  }
  if (auto refusal = judge_target(scheme_of_connection, into)) return refusal;
  if (auto refusal = judge_host(into)) return refusal;
  if (auto refusal = body_length(end, into.length)) return refusal;
  if (end == End::last && into.length.bytes > 0) return refuse(400, "content_length");
  if (repeats_authorization(into.fields)) return refuse(400, "two_authorizations");
  if (auto refusal = judge_expect(into)) return refusal;
  into.expects_continue = into.expects_continue && into.length.expected();
  into.accepts_trailers = list_has(into.fields, FieldName::te, "trailers");
  into.websocket = connect;
  if (connect) {
    if (end == End::last || into.length.kind == BodyLength::Kind::counted) {
      return refuse(400, "upgrade_with_body");
    }
    make_websocket(key_octets, into);
  }
  return {};
}

Refusal H2Block::judge_target(Scheme connection, RequestHead& into) {
  const std::string_view target = pseudo_[path];
  const bool secure = equal_ignoring_case(pseudo_[scheme], "https");
  if (!secure && !equal_ignoring_case(pseudo_[scheme], "http")) {
    return refuse(400, "scheme", pseudo_[scheme]);
  }
  if (connection != Scheme::any && secure != (connection == Scheme::https)) {
    return refuse(421, "scheme", pseudo_[scheme]);
  }
  if (!is_target(target)) return refuse(400, "target", target);
  const bool whole_server = target == "*" && into.method == "OPTIONS";
  if (target.front() != '/' && !whole_server) return refuse(400, "target", target);
  const std::size_t mark = target.find('?');
  into.path = target.substr(0, mark);
  into.has_query = mark != std::string_view::npos;
  into.query = into.has_query ? target.substr(mark + 1) : std::string_view();
  return {};
}

/// RFC 9113 §8.3.1: :authority is the Host; where both are there, they must say the same.
Refusal H2Block::judge_host(RequestHead& into) {
  std::size_t lines = 0;
  std::string_view host;
  into.fields.take(FieldName::host, [&](std::string_view value) {
    ++lines;
    host = value;
  });
  if (lines > 1) return refuse(400, "two_hosts");
  if (lines == 1 && has(authority) && !equal_ignoring_case(host, pseudo_[authority])) {
    return refuse(400, "two_hosts", host);
  }
  into.authority = has(authority) ? pseudo_[authority] : host;
  if (into.authority.empty()) return refuse(400, "no_host");
  if (!parse_authority(into.authority, into.host, into.port)) {
    return refuse(400, "host", into.authority);
  }
  return {};
}

/// RFC 9110 §10.1.1.
Refusal H2Block::judge_expect(RequestHead& into) const {
  into.expects_continue = false;
  if (!into.fields.may_have({FieldName::expect})) return {};
  for (const Field& line : into.fields) {
    if (line.which != FieldName::expect) continue;
    if (into.expects_continue || !equal_ignoring_case(line.value, "100-continue")) {
      return refuse(417, "expect", line.value);
    }
    into.expects_continue = true;
  }
  return {};
}

/// RFC 8441 §5: the same request as in HTTP/1.1, less what only kept HTTP/1.1 honest.
void H2Block::make_websocket(std::string_view key_octets, RequestHead& into) {
  into.method = "GET";
  into.length = BodyLength::none();
  into.expects_continue = false;
  into.fields.remove("sec-websocket-key");
  into.fields.add("sec-websocket-key", into.fields.keep(base64(key_octets)));
  if (!into.fields.find("sec-websocket-version")) into.fields.add("sec-websocket-version", "13");
}

Refusal H2Block::response(Asked asked, End end, ResponseHead& into) {
  if (auto refusal = regular_fields()) return refusal;
  if (seen_ != 1U << status) return refuse(400, "pseudo_fields");
  const std::string_view code = pseudo_[status];
  const auto [last, ec] = std::from_chars(code.data(), code.data() + code.size(), into.status);
  const bool number = ec == std::errc() && last == code.data() + code.size() && code.size() == 3;
  // RFC 9113 §8.6: there is no switching of protocols.
  if (!number || into.status < 100 || into.status == 101) return refuse(400, "status", code);
  if (into.status < 200 && end == End::last) return refuse(400, "interim_end");
  into.version = Version::http2;
  into.reason = {};
  into.websocket = false;
  if (auto refusal = body_length(end, into.length)) return refusal;
  const bool told = into.length.kind == BodyLength::Kind::counted;
  if (into.status < 200 || into.status == 204) {
    into.length = BodyLength::none();
  } else if (asked.head && !told) {
    into.length = BodyLength::until_close();
  } else if (into.status == 304 && !told) {
    into.length = BodyLength::none();
  } else if (has_body(asked, into.status) && end == End::last && into.length.bytes > 0) {
    return refuse(400, "content_length");
  }
  return {};
}

Refusal H2Block::trailers() {
  if (auto refusal = regular_fields()) return refusal;
  if (seen_ != 0) return refuse(400, "pseudo_in_trailers");
  into_->remove_if([](const Field& line) { return is_forbidden_trailer(line.name); });
  return {};
}

}  // namespace gatehouse::http
