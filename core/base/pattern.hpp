#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.hpp"

namespace gatehouse {

/// A regular expression in the syntax of RE2: matched in time linear in the text, whatever the
/// expression. Works on octets, not on characters. Immutable; any thread may match.
class Pattern {
 public:
  Pattern() = default;  // matches nothing
  /// The error's detail is RE2's own word for what is wrong. An expression that would take more
  /// than a fixed amount of memory is refused.
  static Result<Pattern> compile(std::string_view expression);

  /// True when the expression is found anywhere in the text.
  bool found_in(std::string_view text) const;
  /// How many groups `$1`, `$2`, … there are.
  int groups() const;

  /// Where the expression was found: `whole` and its groups, views into `text`.
  struct Found {
    static constexpr int most_groups = 9;
    std::string_view whole;
    std::string_view group[most_groups + 1];  // [0] is `whole`; one that took no part is empty
  };
  /// False: not found.
  bool find(std::string_view text, Found& found) const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace gatehouse
