#include "core/http/header_rules.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/base/bytes.hpp"
#include "core/base/host.hpp"
#include "core/http/detail/plain_octets.hpp"

namespace gatehouse::http {
namespace {

using Name = std::string_view;
using OctetSet = std::array<bool, 256>;

constexpr OctetSet token_octets = [] {
  OctetSet set{};
  for (int c = '0'; c <= '9'; ++c) set[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) set[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) set[static_cast<std::size_t>(c)] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~"))
    set[static_cast<unsigned char>(c)] = true;
  return set;
}();

constexpr OctetSet lower_case_token_octets = [] {
  OctetSet set = token_octets;
  for (int c = 'A'; c <= 'Z'; ++c) set[static_cast<std::size_t>(c)] = false;
  return set;
}();

constexpr OctetSet target_octets = [] {
  OctetSet set{};
  for (std::size_t c = 0x21; c < 0x7f; ++c) set[c] = c != '#';
  return set;
}();

/// How many octets at the front are in the set.
std::size_t prefix_in(std::string_view text, const OctetSet& set) {
  const auto outside = [&](char c) { return !set[static_cast<unsigned char>(c)]; };
  return static_cast<std::size_t>(std::find_if(text.begin(), text.end(), outside) - text.begin());
}

constexpr std::size_t longest_rule = 32;

/// Names of one rule, the shortest first, and where those of each length begin: most fields are of
/// another one.
template <std::size_t N>
struct Names {
  std::array<Name, N> each;
  std::array<std::uint8_t, longest_rule + 2> begin{};
};
template <std::size_t N>
constexpr Names<N> names(const Name (&list)[N]) {
  Names<N> made{};
  std::copy(std::begin(list), std::end(list), made.each.begin());
  std::sort(made.each.begin(), made.each.end(), [](Name a, Name b) { return a.size() < b.size(); });
  for (const Name name : list) {
    for (std::size_t i = name.size() + 1; i < made.begin.size(); ++i) ++made.begin[i];
  }
  return made;
}

template <std::size_t N>
bool one_of(Name name, const Names<N>& names) {
  if (name.size() > longest_rule) return false;
  for (std::size_t i = names.begin[name.size()]; i < names.begin[name.size() + 1]; ++i) {
    if (equal_ignoring_case(names.each[i], name)) return true;
  }
  return false;
}

bool starts_with(Name name, Name lower_case_prefix) {
  return name.size() >= lower_case_prefix.size() &&
         equal_ignoring_case(name.substr(0, lower_case_prefix.size()), lower_case_prefix);
}

constexpr FieldNames hop_by_hop = {FieldName::connection,       FieldName::keep_alive,
                                   FieldName::proxy_connection, FieldName::te,
                                   FieldName::trailer,          FieldName::transfer_encoding,
                                   FieldName::upgrade,          FieldName::http2_settings};
constexpr FieldNames hop_by_hop_in_requests =
    hop_by_hop | FieldNames{FieldName::proxy_authorization, FieldName::expect};
constexpr FieldNames hop_by_hop_in_responses =
    hop_by_hop | FieldNames{FieldName::proxy_authenticate, FieldName::proxy_authentication_info};

// What a Connection option may not delete.
constexpr auto end_to_end = names({"host",
                                   "content-length",
                                   "content-type",
                                   "content-encoding",
                                   "content-range",
                                   "authorization",
                                   "cookie",
                                   "set-cookie",
                                   "cache-control",
                                   "date",
                                   "early-data",
                                   "range",
                                   "expect",
                                   "via",
                                   "location",
                                   "x-request-id",
                                   "www-authenticate",
                                   "sec-websocket-key",
                                   "sec-websocket-version",
                                   "sec-websocket-protocol",
                                   "sec-websocket-extensions",
                                   "sec-websocket-accept",
                                   "origin",
                                   "strict-transport-security"});

constexpr auto never_in_trailers = names({"transfer-encoding",
                                          "content-length",
                                          "host",
                                          "cache-control",
                                          "expect",
                                          "max-forwards",
                                          "te",
                                          "range",
                                          "authorization",
                                          "cookie",
                                          "set-cookie",
                                          "content-encoding",
                                          "content-type",
                                          "content-range",
                                          "trailer",
                                          "connection",
                                          "keep-alive",
                                          "upgrade",
                                          "http2-settings",
                                          "www-authenticate",
                                          "age",
                                          "date",
                                          "location",
                                          "retry-after",
                                          "vary",
                                          "early-data",
                                          "pragma",
                                          "expires",
                                          "warning"});

// Compared after '_' became '-'.
constexpr auto imitated =
    names({"content-length", "content-type", "transfer-encoding", "authorization",
           "proxy-authorization", "cookie", "host", "proxy", "early-data", "x-request-id"});

// A bit of all letters and of '_', and of nothing else that may stand in a host name.
constexpr char host_letter = 0x40;
// Octets of host names in lower case; 0 for those that cannot stand in one.
constexpr auto host_octets = [] {
  std::array<char, 256> set{};
  for (unsigned char c = '0'; c <= '9'; ++c) set[c] = static_cast<char>(c);
  for (unsigned char c = 'a'; c <= 'z'; ++c) set[c] = static_cast<char>(c);
  for (unsigned char c = 'A'; c <= 'Z'; ++c) set[c] = static_cast<char>(c + 0x20);
  for (const char c : {'-', '_', '.'}) set[static_cast<unsigned char>(c)] = c;
  return set;
}();

/// Plain names take this road: lower-cased into `host` in one pass. False: needs the full check
/// (IP literals, odd labels), which may still accept it.
bool take_plain_host(std::string_view text, std::string& host) {
  if (text.empty() || text.size() > 253) return false;
  host.resize(text.size());
  char* to = host.data();
  const char* label = to;
  char in_label = 0;  // the bits of all octets in it
  char before = '.';
  for (const char octet : text) {
    const char c = host_octets[static_cast<unsigned char>(octet)];
    if (c == 0) return false;
    if (c == '.') {
      if (before == '.' || before == '-' || to - label > 63) return false;
      label = to + 1;
      in_label = 0;
    } else if (c == '-' && before == '.') {
      return false;
    } else {
      in_label = static_cast<char>(in_label | c);
    }
    *to++ = before = c;
  }
  return (in_label & host_letter) != 0 && before != '-' && to - label <= 63;
}

bool parse_port(std::string_view digits, std::uint16_t& port) {
  port = 0;
  if (digits.empty()) return true;  // "host:" means the default port
  if (digits.size() > 5) return false;
  unsigned value = 0;
  const auto [rest, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (ec != std::errc() || rest != digits.data() + digits.size()) return false;
  if (value == 0 || value > 65535) return false;
  port = static_cast<std::uint16_t>(value);
  return true;
}

bool has_member(std::string_view list, std::string_view member) {
  bool found = false;
  for_each_member(
      list, [&](std::string_view each) { found = found || equal_ignoring_case(each, member); });
  return found;
}

}  // namespace

bool is_token_octet(char c) { return token_octets[static_cast<unsigned char>(c)]; }
std::size_t token_prefix(std::string_view text) { return prefix_in(text, token_octets); }
bool is_token(std::string_view text) { return !text.empty() && token_prefix(text) == text.size(); }
bool is_lower_case_token(std::string_view text) {
  return !text.empty() && prefix_in(text, lower_case_token_octets) == text.size();
}
bool is_field_value(std::string_view text) { return detail::text_prefix(text) == text.size(); }
bool is_target(std::string_view text) {
  return !text.empty() && prefix_in(text, target_octets) == text.size();
}

bool parse_authority(std::string_view text, std::string& host, std::uint16_t& port) {
  std::string_view name = text;
  std::string_view digits;
  if (!text.empty() && text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return false;
    name = text.substr(0, close + 1);
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') return false;
    if (!rest.empty()) digits = rest.substr(1);
  } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    name = text.substr(0, colon);
    digits = text.substr(colon + 1);
  }
  if (!parse_port(digits, port)) return false;
  if (take_plain_host(name, host)) return true;
  auto normal = normal_host(name);
  if (!normal) return false;
  host = std::move(*normal);
  return true;
}

bool list_has(const Fields& fields, std::string_view name, std::string_view member) {
  return std::any_of(fields.begin(), fields.end(), [&](const Field& line) {
    return equal_ignoring_case(line.name, name) && has_member(line.value, member);
  });
}

bool list_has(const Fields& fields, FieldName which, std::string_view member) {
  if (!fields.may_have({which})) return false;
  return std::any_of(fields.begin(), fields.end(), [&](const Field& line) {
    return line.which == which && has_member(line.value, member);
  });
}

void remove_hop_by_hop(Fields& fields, Direction direction) {
  const FieldNames removed =
      direction == Direction::request ? hop_by_hop_in_requests : hop_by_hop_in_responses;
  if (!fields.may_have(removed)) return;
  // The options are read before anything is removed: RFC 9110 §7.6.1 counts all Connection lines.
  std::array<std::string_view, 16> options;
  std::size_t count = 0;
  for (const Field& line : fields) {
    if (line.which != FieldName::connection) continue;
    for_each_member(line.value, [&](std::string_view option) {
      const FieldName which = field_name(option);
      const bool own = hop_by_hop.has(which) || equal_ignoring_case(option, "close");
      if (own || one_of(option, end_to_end) || forwarded_family.has(which)) return;
      if (spoofable.has(which) || count == options.size()) return;
      options[count++] = option;
    });
  }
  fields.remove_if([&](const Field& line) {
    if (removed.has(line.which)) return true;
    return std::any_of(options.begin(), options.begin() + static_cast<std::ptrdiff_t>(count),
                       [&](Name option) { return equal_ignoring_case(option, line.name); });
  });
}

bool imitates_protected(std::string_view name) {
  if (name.find('_') == std::string_view::npos || name.size() > 64) return false;
  std::array<char, 64> folded{};
  std::transform(name.begin(), name.end(), folded.begin(),
                 [](char c) { return c == '_' ? '-' : c; });
  const std::string_view hyphens(folded.data(), name.size());
  return (forwarded_family | spoofable).has(field_name(hyphens)) || one_of(hyphens, imitated);
}

bool is_forbidden_trailer(std::string_view name) {
  return one_of(name, never_in_trailers) || (forwarded_family | spoofable).has(field_name(name)) ||
         starts_with(name, "proxy-") || starts_with(name, "if-") || imitates_protected(name);
}

bool repeats_authorization(const Fields& fields) {
  if (!fields.may_have({FieldName::authorization})) return false;
  const auto one = [](const Field& line) { return line.which == FieldName::authorization; };
  return std::count_if(fields.begin(), fields.end(), one) > 1;
}

bool logs_in_connection(const Fields& fields, FieldName which) {
  if (!fields.may_have({which})) return false;
  bool found = false;
  for (const Field& line : fields) {
    if (line.which != which) continue;
    for_each_member(line.value, [&](std::string_view challenge) {
      const std::string_view scheme = challenge.substr(0, challenge.find(' '));
      found =
          found || equal_ignoring_case(scheme, "ntlm") || equal_ignoring_case(scheme, "negotiate");
    });
  }
  return found;
}

bool is_websocket_key(std::string_view key) {
  if (key.size() != 24 || !key.ends_with("==")) return false;
  const auto octets = from_base64_lenient(key);
  return octets.has_value() && octets->size() == 16;
}

}  // namespace gatehouse::http
