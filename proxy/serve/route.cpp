#include "proxy/serve/route.hpp"

#include <algorithm>
#include <optional>

#include "core/base/bytes.hpp"
#include "proxy/serve/handlers/chain.hpp"
#include "proxy/serve/handlers/compressed_exchange.hpp"

namespace gatehouse::serve {
namespace {

/// Reading '%', ';', '\', an empty or a dot segment differently is what bypasses rules by path.
bool plain(std::string_view path) {
  char before = 'x';
  for (const char c : path) {
    if (c == '%' || c == ';' || c == '\\') return false;
    if (before == '/' && (c == '/' || c == '.')) return false;
    before = c;
  }
  return true;
}

bool unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

std::optional<unsigned> nibble(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  const char lower = to_lower(c);
  if (lower >= 'a' && lower <= 'f') return static_cast<unsigned>(lower - 'a' + 10);
  return {};
}

/// The octet that the escape at `at` stands for; none when it is no escape.
std::optional<char> escaped_at(std::string_view path, std::size_t at) {
  if (path.size() - at < 3) return {};
  const auto high = nibble(path[at + 1]);
  const auto low = nibble(path[at + 2]);
  if (!high || !low) return {};
  return static_cast<char>(*high << 4 | *low);
}

bool separates(char c) { return c == '/' || c == '\\' || c == '\0' || c == '%'; }

/// Decodes unreserved octets once; says whether anything in it may be read in two ways.
bool decode(std::string_view path, std::string& out) {
  bool ambiguous = false;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c != '%') {
      ambiguous = ambiguous || c == ';' || c == '\\';
      out += c;
      continue;
    }
    const auto octet = escaped_at(path, i);
    if (octet && unreserved(*octet)) {
      out += *octet;
      i += 2;
      continue;
    }
    ambiguous = ambiguous || !octet || separates(*octet);
    out += c;
  }
  return ambiguous;
}

/// RFC 3986 §5.2.4 in place, with empty segments dropped too. What is written never overtakes what
/// is read.
void resolve_segments(std::string& path) {
  std::size_t end = 0;  // of what is written
  std::size_t at = 0;
  bool open = true;  // the path ends in '/'
  while (at < path.size()) {
    ++at;  // the '/'
    const std::size_t border = std::min(path.find('/', at), path.size());
    const std::size_t length = border - at;
    const bool dot = length == 1 && path[at] == '.';
    const bool dots = length == 2 && path[at] == '.' && path[at + 1] == '.';
    open = length == 0 || dot || dots;
    if (dots) end = end == 0 ? 0 : path.rfind('/', end - 1);
    if (!open) {
      path[end] = '/';
      std::copy_n(path.begin() + static_cast<std::ptrdiff_t>(at), length,
                  path.begin() + static_cast<std::ptrdiff_t>(end) + 1);
      end += length + 1;
    }
    at = border;
  }
  path.resize(end);
  if (open) path += '/';
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

MatchPath MatchPath::of(std::string_view path, std::string& room) {
  if (plain(path) || !path.starts_with('/')) return {path, false};
  room.clear();
  const bool ambiguous = decode(path, room);
  resolve_segments(room);
  return {room, ambiguous};
}

Route::Route(const config::Route& from, const Site& owner, std::size_t place)
    : settings(from),
      site(owner),
      index(place),
      name(from.path.empty() ? "*" : from.path.front()),
      steps(steps_of(from)),
      codings(codings_of(from)) {
  for (const std::string& path : from.path) paths.emplace_back(path);
  if (from.redirect) redirect_to = Template(from.redirect->to);
}

bool Route::matches(std::string_view method, std::string_view path) const {
  const auto takes = [&](const PathPattern& pattern) { return pattern.matches(path); };
  if (!paths.empty() && std::none_of(paths.begin(), paths.end(), takes)) return false;
  const auto& methods = settings.method;
  return methods.empty() || std::find(methods.begin(), methods.end(), method) != methods.end();
}

}  // namespace gatehouse::serve
