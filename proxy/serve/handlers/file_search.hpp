#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.hpp"
#include "core/http/content_coding.hpp"
#include "proxy/serve/handlers/open_file.hpp"

namespace gatehouse::serve {

/// What a request's path names in a folder.
struct FilePath {
  std::string name;     // "a/b.html", without a slash at either end; "" is the root
  bool folder = false;  // the path ended in a slash

  /// Dot segments are resolved and escapes decoded once, in the way that routes match paths. None:
  /// no file is served by that path. An escaped slash or NUL, an escape that is none, and names
  /// that begin with a dot; `.well-known` (RFC 8615) alone is served.
  static std::optional<FilePath> of(std::string_view path);
};

/// A search for the file that answers a request. By value throughout: it may go to another thread.
struct FileSearch {
  std::string root;
  config::Strings index;
  std::vector<std::string> tries;     // names below the root, in order; "x/" wants a folder
  std::vector<http::Coding> codings;  // of siblings that the client accepts, the best first
};

/// What it came to.
struct FoundFile {
  Opening what = Opening::absent;  // folder: to be asked for with a slash
  std::string name;                // of the file, below the root
  OpenFile file;                   // of the file, or of its encoded sibling
  http::Coding coding = http::Coding::identity;
  std::string why;  // for the log
};

/// Goes through the names until one is there: a file, or a folder with an index.
FoundFile find_file(const FileSearch& search, Patience patience);

/// The names that a route's `files` tries for a path.
std::vector<std::string> names_tried(const config::Files& files, const FilePath& path);

/// Whether files of that name may have encoded siblings: not what is compressed by its nature.
bool may_have_siblings(std::string_view name);

}  // namespace gatehouse::serve
