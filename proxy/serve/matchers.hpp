#pragma once

#include <string>
#include <string_view>

#include "core/base/pattern.hpp"
#include "core/http/message.hpp"

namespace gatehouse::serve {

/// One text of a route's `path`: exact, or a prefix that ends at a segment border: "/api/*" is
/// "/api" and all below it, not "/apis".
class PathPattern {
 public:
  explicit PathPattern(std::string_view text);
  /// `path` in the form of RequestPath.
  bool matches(std::string_view path) const;
  /// "/*" takes every path.
  bool any() const { return prefix_ && path_.empty(); }

 private:
  std::string path_;  // "/api" for "/api/*", empty for "/*"
  bool prefix_ = false;
};

/// What "~ EXPRESSION" says, or null where the text is no expression.
bool is_expression(std::string_view text);
Result<Pattern> expression_of(std::string_view text);

/// What a header field or a query parameter must be: a text, "~ EXPRESSION", or "" for absent.
class ValueRule {
 public:
  static Result<ValueRule> make(std::string_view written);

  bool wants_absence() const { return !expression_ && text_.empty(); }
  bool takes(std::string_view value) const;
  /// The same for a value as it stands in a query: '+' for space, octets escaped.
  bool takes_encoded(std::string_view value) const;

 private:
  std::string text_;
  bool expression_ = false;
  Pattern pattern_;
};

/// One entry of a route's `header`. Of several lines one is enough.
struct FieldRule {
  std::string_view name;
  ValueRule value;
  bool matches(const http::RequestHead& request) const;
};

/// One entry of a route's `query`. Of several parameters of that name one is enough.
struct QueryRule {
  std::string_view name;
  ValueRule value;
  bool matches(std::string_view query) const;
};

}  // namespace gatehouse::serve
