#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.hpp"
#include "core/http/content_coding.hpp"
#include "core/http/message.hpp"
#include "proxy/serve/template.hpp"

namespace gatehouse::serve {

struct Site;
struct Step;

/// One pattern of a route's `path`: exact, or a prefix that ends at a segment border: "/api/*" is
/// "/api" and all below it, not "/apis".
class PathPattern {
 public:
  explicit PathPattern(std::string_view text);
  /// `path` in the form of MatchPath.
  bool matches(std::string_view path) const;

 private:
  std::string path_;  // "/api" for "/api/*", empty for "/*"
  bool prefix_ = false;
};

/// A request's path as rules see it: dot segments resolved, empty segments dropped, escapes of
/// unreserved octets decoded once (RFC 3986 §6.2.2). What is forwarded stays as it came. Common
/// paths are matched where they lie; only others are copied into `room`.
struct MatchPath {
  std::string_view text;
  /// Others may read the path differently than we do: an escaped '/', '\', NUL or '%', a plain '\'
  /// or ';'. Where rules decide by path such a request is refused.
  bool ambiguous = false;

  static MatchPath of(std::string_view path, std::string& room);
};

/// One route, compiled. Part of a Snapshot and immutable with it.
struct Route {
  Route(const config::Route& from, const Site& owner, std::size_t place);

  bool matches(std::string_view method, std::string_view path) const;

  const config::Route& settings;  // limits, backend name, header edits
  const Site& site;
  std::size_t index;  // place in the site, from 0
  std::string name;   // for logs: its first path, or "*"
  std::vector<PathPattern> paths;
  std::vector<const Step*> steps;     // its handlers in their order; empty: it only forwards
  std::vector<http::Coding> codings;  // of `compress`, the most wanted first
  Template redirect_to;               // of `redirect`
};

}  // namespace gatehouse::serve
