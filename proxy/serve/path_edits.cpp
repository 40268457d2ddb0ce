#include "proxy/serve/path_edits.hpp"

#include "proxy/serve/request_path.hpp"

namespace gatehouse::serve {
namespace {

std::string without_last_slash(std::string text) {
  while (text.ends_with('/')) text.pop_back();
  return text;
}

/// A piece of a path as part of a query: what would end a parameter there is escaped.
void append_to_query(std::string& out, std::string_view piece) {
  for (const char c : piece) {
    switch (c) {
      case '&':
        out += "%26";
        break;
      case '+':
        out += "%2B";
        break;
      case '=':
        out += "%3D";
        break;
      case ';':
        out += "%3B";
        break;
      default:
        out += c;
    }
  }
}

/// Joined pieces may make dot segments or escapes that stood in none of them, and those others
/// again. Each round makes the path shorter.
void settle(std::string& path) {
  if (!path.starts_with('/')) path.insert(0, 1, '/');
  std::string room;
  while (RequestPath::of(path, room).text != path) path = room;
}

}  // namespace

Result<PathEdits> PathEdits::make(const config::Route& route) {
  PathEdits edits;
  edits.strip_ = without_last_slash(route.strip_prefix);
  edits.add_ = without_last_slash(route.add_prefix);
  if (!route.rewrite) return edits;
  auto match = Pattern::compile(route.rewrite->match);
  if (!match) return match.error();
  edits.rewrites_ = true;
  edits.match_ = std::move(*match);
  const std::string& to = route.rewrite->to;
  const std::size_t mark = to.find('?');
  edits.to_path_ = to.substr(0, mark);
  edits.to_has_query_ = mark != std::string::npos;
  if (edits.to_has_query_) edits.to_query_ = to.substr(mark + 1);
  return edits;
}

bool PathEdits::apply(Target& target) const {
  if (!target.path.starts_with('/')) return false;  // OPTIONS *
  bool changed = strip(target.path);
  if (!add_.empty()) {
    target.path.insert(0, add_);
    changed = true;
  }
  changed = rewrite(target) || changed;
  if (changed) settle(target.path);
  return changed;
}

/// A prefix ends at a segment border, and what is left begins with one '/': "//host" at the start
/// of a path is a host to some.
bool PathEdits::strip(std::string& path) const {
  if (strip_.empty() || !path.starts_with(strip_)) return false;
  if (path.size() > strip_.size() && path[strip_.size()] != '/') return false;
  path.erase(0, strip_.size());
  path.erase(0, std::min(path.find_first_not_of('/'), path.size()));
  path.insert(0, 1, '/');
  return true;
}

bool PathEdits::rewrite(Target& target) const {
  Pattern::Found found;
  if (!rewrites_ || !match_.find(target.path, found)) return false;
  const auto before = static_cast<std::size_t>(found.whole.data() - target.path.data());
  std::string path = target.path.substr(0, before);
  fill(to_path_, found, false, path);
  path += target.path.substr(before + found.whole.size());
  if (to_has_query_) {
    std::string query;
    fill(to_query_, found, true, query);
    if (target.has_query && !target.query.empty()) query.append("&").append(target.query);
    target.query = std::move(query);
    target.has_query = true;
  }
  target.path = std::move(path);
  return true;
}

/// Appends `replacement` with what the groups found in place of $1 to $9; $0 is all that was found.
void PathEdits::fill(std::string_view replacement, const Pattern::Found& found, bool in_query,
                     std::string& out) const {
  for (std::size_t i = 0; i < replacement.size(); ++i) {
    const bool group = replacement[i] == '$' && i + 1 < replacement.size() &&
                       replacement[i + 1] >= '0' && replacement[i + 1] <= '9';
    if (!group) {
      out += replacement[i];
      continue;
    }
    const std::string_view piece = found.group[replacement[++i] - '0'];
    if (in_query) {
      append_to_query(out, piece);
    } else {
      out += piece;
    }
  }
}

}  // namespace gatehouse::serve
