#pragma once

#include <string>
#include <string_view>

#include "config/model.hpp"
#include "core/base/pattern.hpp"

namespace gatehouse::serve {

/// Path and query of a request.
struct Target {
  std::string path;
  std::string query;
  bool has_query = false;
};

/// A route's strip_prefix, add_prefix and rewrite, carried out in this order.
class PathEdits {
 public:
  /// The error tells what is wrong with the expression of `rewrite`.
  static Result<PathEdits> make(const config::Route& route);

  bool empty() const { return strip_.empty() && add_.empty() && !rewrites_; }
  /// True: `target` has been changed. Its path is in the form of RequestPath, before and after.
  bool apply(Target& target) const;

 private:
  bool strip(std::string& path) const;
  bool rewrite(Target& target) const;
  void fill(std::string_view replacement, const Pattern::Found& found, bool in_query,
            std::string& out) const;

  std::string strip_;
  std::string add_;
  bool rewrites_ = false;
  Pattern match_;
  std::string to_path_;
  std::string to_query_;
  bool to_has_query_ = false;
};

}  // namespace gatehouse::serve
