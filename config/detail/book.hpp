#pragma once

#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "config/detail/node.hpp"
#include "config/load.hpp"

namespace gatehouse::config::detail {

/// The path of a key below `path`; the file itself has an empty one.
inline std::string extended(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

/// One key as it was written. `pattern` is its path without indices and with `*` for chosen names
/// ("backend.*.policy"). The node belongs to the tree that is being loaded.
struct Presence {
  std::string pattern;
  Position at;
  const Node* value = nullptr;
  /// All scalars below it, as text.
  Strings values() const;
};

/// What one loading run learns: its problems, and which keys were written where. A concrete path
/// looks like `site[0].route[2].path[1]`; only what the text itself says is in here, so "was this
/// key written or is it a default?" is one look-up.
class Book {
 public:
  void fail(const Position& at, std::string message);
  /// Nothing that stops a load, but worth telling.
  void warn(const Position& at, std::string message);
  /// Files in the order they were opened: the order of problems.
  void opened(const std::string& file) { files_.push_back(file); }

  void note(const std::string& path, const std::string& pattern, const Node& value,
            const Position& at);
  /// A place inside a list, for messages only.
  void note_item(const std::string& path, const Position& at) { items_[path] = at; }
  /// The value at `path` was refused: there is nothing more to say about it.
  void spoil(const std::string& path) { spoilt_.insert(path); }
  bool spoilt(const std::string& path) const { return spoilt_.contains(path); }
  bool has(const std::string& path) const { return present_.contains(path); }
  /// Whether a backend that was read so far has that name. They only ever grow.
  bool names_backend(const Config& config, const std::string& name);
  /// Where `path` was written, or the nearest thing around it.
  Position place(const std::string& path) const;
  const std::unordered_map<std::string, Presence>& present() const { return present_; }

  /// All of them, each once, by file and place.
  std::vector<Problem> problems() const { return in_order(problems_); }
  std::vector<Problem> warnings() const { return in_order(warnings_); }
  bool clean() const { return problems_.empty(); }

 private:
  std::vector<Problem> in_order(std::vector<Problem> told) const;

  std::vector<Problem> problems_;
  std::vector<Problem> warnings_;
  std::vector<std::string> files_;
  std::unordered_map<std::string, Presence> present_;
  std::unordered_map<std::string, Position> items_;
  std::set<std::string> spoilt_;
  std::unordered_set<std::string> backends_;  // the names of the first `backends_known_`
  std::size_t backends_known_ = 0;
};

/// `; did you mean 'hosts'?` for the known word nearest to `word`, or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

}  // namespace gatehouse::config::detail
