#pragma once

#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "config/detail/node.hpp"
#include "config/load.hpp"

namespace gatehouse::config::detail {

/// The path of a key below `path`; the file itself has an empty one.
inline std::string extended(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

/// What one loading run learns: its problems, and which keys were written where. A concrete path
/// looks like `site[0].route[2].path[1]` and is looked up in the text itself, so that nothing has
/// to be kept of all the keys that nobody asks about.
class Book {
 public:
  void fail(const Position& at, std::string message);
  /// Nothing that stops a load, but worth telling.
  void warn(const Position& at, std::string message);
  /// `value` came of ${...}, wholly or in part.
  void expanded(const std::string& value) { expanded_.insert(value); }
  std::set<std::string> take_expanded() { return std::move(expanded_); }
  /// Files in the order they were opened: the order of problems.
  void opened(const std::string& file) { files_.push_back(file); }

  /// The text with all its includes. It outlives the questions below.
  void about(const Node& text) { text_ = &text; }
  /// The value at `path` was refused: there is nothing more to say about it.
  void spoil(const std::string& path) { spoilt_.insert(path); }
  bool spoilt(const std::string& path) const { return spoilt_.contains(path); }
  bool has(const std::string& path) const { return written(path) != nullptr; }
  /// What the text says at `path`; null where the key is a default.
  const Node* written(const std::string& path) const;
  /// [[site]] by its number: of many sites each asks about its own keys only.
  const Node* site(std::size_t index) const;
  /// Whether a backend that was read so far has that name. They only ever grow.
  bool names_backend(const Config& config, const std::string& name);
  /// Where `path` was written, or the nearest thing around it.
  Position place(const std::string& path) const;

  /// All of them, each once, by file and place.
  std::vector<Problem> problems() const { return in_order(problems_); }
  std::vector<Problem> warnings() const { return in_order(warnings_); }
  bool clean() const { return problems_.empty(); }

 private:
  std::vector<Problem> in_order(std::vector<Problem> told) const;

  std::vector<Problem> problems_;
  std::vector<Problem> warnings_;
  std::vector<std::string> files_;
  const Node* text_ = nullptr;
  std::set<std::string> spoilt_;
  std::set<std::string> expanded_;
  std::unordered_set<std::string> backends_;  // the names of the first `backends_known_`
  std::size_t backends_known_ = 0;
};

/// `; did you mean 'hosts'?` for the known word nearest to `word`, or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

}  // namespace gatehouse::config::detail
