#pragma once

#include <string>
#include <vector>

#include "config/model.hpp"
#include "core/http/message.hpp"
#include "proxy/serve/template.hpp"

namespace gatehouse::serve {

/// A route's `request_headers` or `response_headers`, taken apart once. Names and fixed values are
/// views into it, so it outlives the messages it edits.
class HeaderEdits {
 public:
  HeaderEdits() = default;
  explicit HeaderEdits(const config::HeaderEdits& from);

  bool empty() const { return remove_.empty() && set_.empty() && add_.empty(); }
  /// Removes, then sets (in place of all lines of that name), then adds. A value never brings
  /// control characters with it, whatever its placeholders stand for.
  void apply(http::Fields& fields, const http::RequestHead& request,
             const RequestFacts& facts) const;
  /// The same on a request on its way to a server, where setting Host changes the authority.
  void apply_to(http::RequestHead& request, const RequestFacts& facts) const;

 private:
  struct Line {
    std::string name;
    Template value;
  };
  static std::vector<Line> lines(const config::Pairs& pairs);
  static std::string_view value(const Line& line, http::Fields& keeper,
                                const http::RequestHead& request, const RequestFacts& facts);

  std::vector<std::string> remove_;
  std::vector<Line> set_;
  std::vector<Line> add_;
  std::vector<Line> host_;  // at most one: what `set` says of Host, for apply_to()
};

}  // namespace gatehouse::serve
