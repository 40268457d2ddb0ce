// What ACME says beside its JSON: tokens, nonces, waiting times, links.
#include <algorithm>
#include <charconv>

#include "acme/detail/https_url.hpp"
#include "acme/wire.hpp"
#include "core/base/bytes.hpp"
#include "core/base/time_format.hpp"
#include "core/base/url.hpp"

namespace gatehouse::acme {

bool https_url(std::string_view text) {
  if (text.size() > most_url_bytes) return false;
  const auto url = Url::parse(text);
  return url && url->secure();
}

namespace {

bool base64url_alphabet(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

}  // namespace

bool valid_token(std::string_view token) {
  return !token.empty() && token.size() <= 128 && base64url_alphabet(token);
}

bool valid_nonce(std::string_view nonce) {
  return !nonce.empty() && nonce.size() <= 1024 && base64url_alphabet(nonce);
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view value, Wall now) {
  constexpr std::chrono::seconds most = std::chrono::days(365);
  const bool digits =
      !value.empty() && value.size() <= 10 &&
      std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (digits) {
    std::int64_t seconds = 0;
    std::from_chars(value.data(), value.data() + value.size(), seconds);
    return std::min(std::chrono::seconds(seconds), most);
  }
  const auto date = parse_http_date(value);
  if (!date) return std::nullopt;
  const auto away = std::chrono::ceil<std::chrono::seconds>(*date - now);
  return std::clamp(away, std::chrono::seconds(0), most);
}

std::optional<Wall> retry_time_in(std::string_view detail) {
  constexpr std::string_view mark = "retry after ";
  const std::size_t at = to_lower(detail).find(mark);
  if (at == std::string::npos) return std::nullopt;
  const std::string_view date = detail.substr(at + mark.size()).substr(0, 19);
  const auto when = parse_rfc3339(std::string(date) + "Z");
  if (!when) return std::nullopt;
  return *when;
}

namespace {

/// Takes one link value apart: `<target>; param=value; …` up to the next comma outside quotes.
struct LinkValue {
  std::string_view target;
  std::string relation;
};

std::string_view skip_blanks(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t");
  return start == std::string_view::npos ? std::string_view() : text.substr(start);
}

/// Reads a token or a quoted string from the front of `rest`.
std::string take_value(std::string_view& rest) {
  std::string value;
  if (!rest.starts_with('"')) {
    const std::size_t end = std::min(rest.find_first_of(" \t;,"), rest.size());
    value = rest.substr(0, end);
    rest.remove_prefix(end);
    return value;
  }
  std::size_t i = 1;
  for (; i < rest.size() && rest[i] != '"'; ++i) {
    if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
    value.push_back(rest[i]);
  }
  rest.remove_prefix(std::min(i + 1, rest.size()));
  return value;
}

/// False at the end of the field or where it is no Link value any more.
bool take_link(std::string_view& rest, LinkValue& link) {
  rest = rest.substr(std::min(rest.find_first_not_of(" \t,"), rest.size()));
  if (!rest.starts_with('<')) return false;
  const std::size_t close = rest.find('>');
  if (close == std::string_view::npos) return false;
  link.target = rest.substr(1, close - 1);
  link.relation.clear();
  rest = skip_blanks(rest.substr(close + 1));
  while (rest.starts_with(';')) {
    rest = skip_blanks(rest.substr(1));
    const std::size_t end = std::min(rest.find_first_of(" \t=;,"), rest.size());
    const std::string name = to_lower(rest.substr(0, end));
    rest = skip_blanks(rest.substr(end));
    std::string value;
    if (rest.starts_with('=')) {
      rest = skip_blanks(rest.substr(1));
      value = take_value(rest);
    }
    // RFC 8288 §3.3: only the first rel of a link counts.
    if (name == "rel" && link.relation.empty()) link.relation = to_lower(value);
    rest = skip_blanks(rest);
  }
  return rest.empty() || rest.starts_with(',');
}

bool has_relation(std::string_view relations, std::string_view wanted) {
  while (!relations.empty()) {
    const std::size_t end = std::min(relations.find(' '), relations.size());
    if (relations.substr(0, end) == wanted) return true;
    relations.remove_prefix(std::min(end + 1, relations.size()));
  }
  return false;
}

}  // namespace

std::vector<std::string> links(const std::vector<std::string>& values, std::string_view relation) {
  std::vector<std::string> targets;
  for (const std::string& value : values) {
    std::string_view rest = value;
    LinkValue link;
    while (take_link(rest, link)) {
      if (has_relation(link.relation, relation) && https_url(link.target)) {
        targets.emplace_back(link.target);
      }
    }
  }
  return targets;
}

}  // namespace gatehouse::acme
