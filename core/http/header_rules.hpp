#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.hpp"
#include "core/http/message.hpp"

/// What field names, values, targets and authorities may look like, and which fields may pass from
/// one connection to the next. Pure functions, shared by every HTTP version.
namespace gatehouse::http {

bool is_token_octet(char c);
/// How many octets at the front may stand in a token.
std::size_t token_prefix(std::string_view text);
/// RFC 9110 §5.6.2, at least one octet.
bool is_token(std::string_view text);
/// The same without capitals (RFC 9113 §8.2.1).
bool is_lower_case_token(std::string_view text);
/// RFC 9110 §5.5: HTAB, SP, visible ASCII and obs-text.
bool is_field_value(std::string_view text);
/// Visible ASCII without '#' (RFC 9112 §3.2). Octets that RFC 3986 wants encoded but browsers send
/// raw (quote, braces, bar…) pass.
bool is_target(std::string_view text);
inline std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

/// The host and port of a Host field or an absolute-form target. False: no valid authority
/// (userinfo, lists, zone ids, a bad port, a bad name). `host` is reused, not reallocated.
bool parse_authority(std::string_view text, std::string& host, std::uint16_t& port);

/// Calls `see` with each non-empty member of a comma-separated list (RFC 9110 §5.6.1). Quoted
/// strings are not looked into: none of the lists read here may hold them.
template <class See>
void for_each_member(std::string_view list, See see) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view member = trim(list.substr(0, comma));
    if (!member.empty()) see(member);
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}
/// True when any line of that name has `member` in its list, ignoring case.
bool list_has(const Fields& fields, std::string_view name, std::string_view member);
bool list_has(const Fields& fields, FieldName which, std::string_view member);

enum class Direction : std::uint8_t { request, response };

/// Removes what belongs to one connection only (RFC 9110 §7.6.1): Connection and the fields it
/// names, Keep-Alive, TE, Upgrade and so on; for requests Expect too, because it is answered here.
/// A Connection option that names an end-to-end or security field is ignored: a client must not be
/// able to delete those on their way. Call it before adding own fields.
void remove_hop_by_hop(Fields& fields, Direction direction);

/// Fields by which proxies tell about the client.
constexpr FieldNames forwarded_family = {FieldName::forwarded, FieldName::x_forwarded,
                                         FieldName::x_real_ip};
/// Never accepted from a client: fields that only a proxy may set about it, and `Proxy` (httpoxy).
constexpr FieldNames spoofable = {FieldName::proxy, FieldName::client_cert, FieldName::x_accel};
/// A name that becomes a forwarding, framing or authentication field once a backend folds '_' and
/// '-' together, as CGI does. Only one that is FieldName::underscored can be.
bool imitates_protected(std::string_view name);
/// RFC 9110 §6.5.1: never meaningful, or dangerous, after the body.
bool is_forbidden_trailer(std::string_view name);
/// A request says who it is from in one line. Of two, we could judge one and a server the other.
bool repeats_authorization(const Fields& fields);
/// By these lines a user logs in once for all requests of a connection (NTLM, Negotiate), against
/// RFC 9110 §11.1: a server may take whatever else comes by it for that user's.
bool logs_in_connection(const Fields& fields, FieldName which);
/// Written by whoever writes the head.
constexpr FieldNames written_by_us = {FieldName::content_length, FieldName::transfer_encoding,
                                      FieldName::connection, FieldName::host};

/// RFC 6455 §4.1: base64 of 16 octets.
bool is_websocket_key(std::string_view key);

}  // namespace gatehouse::http
