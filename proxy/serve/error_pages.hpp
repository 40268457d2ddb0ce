#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/model.hpp"
#include "core/base/error.hpp"

namespace gatehouse::serve {

/// A file that stands in for our own few words about an error.
struct ErrorPage {
  std::string type;  // of the content, by the file's name
  std::string body;
};

/// Each file is read once for a snapshot.
using ErrorPageFiles = std::map<std::string, std::shared_ptr<const ErrorPage>>;

/// A route's `errors`.
class ErrorPages {
 public:
  /// Reads the files. The error names the one that cannot be read or is larger than
  /// config::most_error_page_bytes.
  static Result<ErrorPages> load(const config::Pairs& errors, ErrorPageFiles& read);

  /// A page for that very status goes before one for a range. Null: there is none.
  const ErrorPage* find(int status) const;

 private:
  struct Range {
    int first;
    int last;
    std::shared_ptr<const ErrorPage> page;
  };
  std::vector<Range> ranges_;  // the narrowest first
};

}  // namespace gatehouse::serve
