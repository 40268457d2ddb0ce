#include "proxy/serve/handlers/file_search.hpp"

#include <utility>

#include "core/base/bytes.hpp"
#include "proxy/serve/handlers/media_types.hpp"
#include "proxy/serve/request_path.hpp"

namespace gatehouse::serve {
namespace {

using http::Coding;

/// None: an escape that is none, or of an octet that no name has.
std::optional<std::string> decoded(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  for (std::size_t i = 0; i < path.size(); ++i) {
    char c = path[i];
    if (c == '%') {
      const int octet = escaped_octet(path, i);
      if (octet < 0 || octet == '/') return {};
      c = static_cast<char>(octet);
      i += 2;
    }
    if (c == '\0') return {};
    out += c;
  }
  return out;
}

/// Any segment of the name begins with a dot, other than `.well-known` in front.
bool is_hidden(std::string_view name) {
  constexpr std::string_view served = ".well-known";
  if (name == served || name.starts_with(".well-known/")) name.remove_prefix(served.size());
  return name.starts_with('.') || name.find("/.") != std::string_view::npos;
}

std::string_view ending_of(Coding coding) {
  switch (coding) {
    case Coding::identity:
      return "";
    case Coding::gzip:
      return ".gz";
    case Coding::br:
      return ".br";
    case Coding::zstd:
      return ".zst";
  }
  return "";
}

/// Nothing more is to be tried after it.
bool is_final(Opening what) {
  return what == Opening::file || what == Opening::cold || what == Opening::failed;
}

class Searcher {
 public:
  Searcher(const FileSearch& search, Patience patience) : search_(search), patience_(patience) {}

  FoundFile run() {
    ServedFolder::Entry root = folder_.open_root(search_.root, patience_);
    if (root.what != Opening::folder) {
      FoundFile none;
      none.what = root.what;
      none.why = std::move(root.why);
      return none;
    }
    FoundFile last;
    for (const std::string& name : search_.tries) {
      FoundFile found = look(name);
      if (is_final(found.what) || found.what == Opening::folder) return found;
      if (last.what != Opening::forbidden) last = std::move(found);
    }
    return last;
  }

 private:
  FoundFile open(const std::string& name) {
    ServedFolder::Entry entry = folder_.open(name, patience_);
    FoundFile found;
    found.what = entry.what;
    found.name = name;
    found.file = std::move(entry.file);
    found.why = std::move(entry.why);
    return found;
  }

  /// A folder counts where it has an index; where its name lacks the slash the client is sent to
  /// the name that has it.
  FoundFile look(const std::string& name) {
    if (!name.empty() && !name.ends_with('/')) {
      FoundFile found = open(name);
      if (found.what == Opening::file) return with_sibling(std::move(found));
      if (found.what != Opening::folder) return found;
      FoundFile index = look_for_index(name + "/");
      return index.what == Opening::file ? std::move(found) : std::move(index);
    }
    FoundFile index = look_for_index(name);
    if (index.what == Opening::file) return with_sibling(std::move(index));
    return index;
  }

  FoundFile look_for_index(const std::string& folder) {
    FoundFile last;
    for (const std::string& name : search_.index) {
      FoundFile found = open(folder + name);
      if (is_final(found.what)) return found;
      if (found.what == Opening::folder) found.what = Opening::absent;
      if (last.what != Opening::forbidden) last = std::move(found);
    }
    return last;
  }

  FoundFile with_sibling(FoundFile found) {
    if (!may_have_siblings(found.name)) return found;
    for (const Coding coding : search_.codings) {
      FoundFile sibling = open(found.name + std::string(ending_of(coding)));
      if (sibling.what == Opening::cold) return sibling;
      if (sibling.what != Opening::file) continue;
      found.file = std::move(sibling.file);
      found.coding = coding;
      break;
    }
    return found;
  }

  const FileSearch& search_;
  Patience patience_;
  ServedFolder folder_;
};

}  // namespace

std::optional<FilePath> FilePath::of(std::string_view path) {
  if (!path.starts_with('/')) return {};
  const auto text = decoded(path.substr(1));
  if (!text) return {};
  std::vector<std::string_view> segments;
  FilePath file;
  for (std::string_view rest = *text;;) {
    const std::size_t slash = rest.find('/');
    const std::string_view segment = rest.substr(0, slash);
    if (segment == ".." && !segments.empty()) segments.pop_back();
    file.folder = segment.empty() || segment == "." || segment == "..";
    if (!file.folder) segments.push_back(segment);
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  for (const std::string_view segment : segments) {
    if (!file.name.empty()) file.name += '/';
    file.name += segment;
  }
  if (is_hidden(file.name)) return {};
  return file;
}

FoundFile find_file(const FileSearch& search, Patience patience) {
  return Searcher(search, patience).run();
}

std::vector<std::string> names_tried(const config::Files& files, const FilePath& path) {
  constexpr std::string_view placeholder = "{path}";
  std::string own = path.name;
  if (path.folder && !own.empty()) own += '/';
  if (files.try_.empty()) return {own};
  std::vector<std::string> names;
  for (const std::string& pattern : files.try_) {
    std::string name = pattern;
    for (std::size_t at = name.find(placeholder); at != std::string::npos;
         at = name.find(placeholder, at + own.size())) {
      name.replace(at, placeholder.size(), own);
    }
    // "{path}" and "/{path}" are the same place, and "{path}/" of a folder is that folder.
    name.erase(0, std::min(name.find_first_not_of('/'), name.size()));
    while (name.ends_with("//")) name.pop_back();
    names.push_back(std::move(name));
  }
  return names;
}

bool may_have_siblings(std::string_view name) {
  const std::string_view type = media_type_of(name);
  return is_text(type) || type == "application/wasm" || type == "application/octet-stream" ||
         type == "font/ttf" || type == "font/otf" || type == "image/vnd.microsoft.icon";
}

}  // namespace gatehouse::serve
