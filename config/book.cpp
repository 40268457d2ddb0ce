#include "config/detail/book.hpp"

#include <algorithm>
#include <charconv>
#include <tuple>

namespace gatehouse::config {

std::string Problem::place() const {
  return at.file.text() + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
}

std::string Problem::text() const { return place() + ": " + message; }

namespace detail {
namespace {

void gather(const Node& node, Strings& into) {
  switch (node.kind) {
    case Node::Kind::text:
    case Node::Kind::date:
      into.push_back(node.text);
      break;
    case Node::Kind::integer:
      into.push_back(std::to_string(node.integer));
      break;
    case Node::Kind::real:
      into.push_back(std::to_string(node.real));
      break;
    case Node::Kind::flag:
      into.emplace_back(node.flag ? "true" : "false");
      break;
    case Node::Kind::list:
      for (const Node& item : node.items) gather(item, into);
      break;
    case Node::Kind::table:
      for (const Member& member : node.members) gather(member.value, into);
      break;
  }
}

/// Levenshtein with swaps of neighbours counted as one edit.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

/// A value of the text and its place: that of its key, where it has one.
struct Found {
  const Node* value = nullptr;
  const Position* at = nullptr;
};

/// What stands at `path` below `found`. Chosen names may hold dots, so each key that fits is tried.
Found look(const Found& found, std::string_view path) {
  if (path.empty()) return found;
  if (path.starts_with('[')) {
    std::size_t index = 0;
    const char* const last = path.data() + path.size();
    const auto [end, failed] = std::from_chars(path.data() + 1, last, index);
    if (failed != std::errc() || index >= found.value->items.size()) return {};
    const Node& item = found.value->items[index];
    return look({&item, &item.at}, path.substr(static_cast<std::size_t>(end - path.data()) + 1));
  }
  if (found.value->kind != Node::Kind::table) return {};
  if (path.starts_with('.')) path.remove_prefix(1);
  for (const Member& member : found.value->members) {
    if (!path.starts_with(member.key)) continue;
    const std::string_view rest = path.substr(member.key.size());
    if (!rest.empty() && rest.front() != '.' && rest.front() != '[') continue;
    const Found inner = look({&member.value, &member.at}, rest);
    if (inner.value) return inner;
  }
  return {};
}

}  // namespace

const Member* Node::find(std::string_view key) const {
  for (const Member& member : members) {
    if (member.key == key) return &member;
  }
  return nullptr;
}

Member* Node::find(std::string_view key) {
  for (Member& member : members) {
    if (member.key == key) return &member;
  }
  return nullptr;
}

std::string_view name(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::text:
      return "a string";
    case Node::Kind::integer:
      return "a whole number";
    case Node::Kind::real:
      return "a number";
    case Node::Kind::flag:
      return "true or false";
    case Node::Kind::date:
      return "a date or time";
    case Node::Kind::list:
      return "a list";
    case Node::Kind::table:
      return "a table";
  }
  return "";
}

Strings Node::values() const {
  Strings all;
  gather(*this, all);
  return all;
}

const Node* below(const Node* table, std::string_view key) {
  // What was no table before another file's part was added to it was told, and never read.
  const bool read = table && table->kind == Node::Kind::table;
  const Member* member = read ? table->find(key) : nullptr;
  return member ? &member->value : nullptr;
}

void Book::fail(const Position& at, std::string message) {
  problems_.push_back({at, std::move(message)});
}

void Book::warn(const Position& at, std::string message) {
  warnings_.push_back({at, std::move(message)});
}

const Node* Book::written(const std::string& path) const {
  return text_ ? look({text_, &text_->at}, path).value : nullptr;
}

const Node* Book::site(std::size_t index) const {
  const Node* sites = below(text_, "site");
  return sites && index < sites->items.size() ? &sites->items[index] : nullptr;
}

bool Book::names_backend(const Config& config, const std::string& name) {
  for (; backends_known_ < config.backends.size(); ++backends_known_) {
    backends_.insert(config.backends[backends_known_].name);
  }
  return backends_.contains(name);
}

Position Book::place(const std::string& path) const {
  std::string_view at = path;
  while (text_ && !at.empty()) {
    if (const Found found = look({text_, &text_->at}, at); found.value) return *found.at;
    const std::size_t cut = at.find_last_of(".[");
    if (cut == std::string::npos || cut == 0) break;
    at = at.substr(0, cut);
  }
  return Position{files_.empty() ? "" : files_.front(), 1, 1};
}

std::vector<Problem> Book::in_order(std::vector<Problem> told) const {
  const auto rank = [this](const Problem& problem) {
    const auto file = std::find(files_.begin(), files_.end(), problem.at.file.text());
    return std::tuple(file - files_.begin(), problem.at.line, problem.at.column);
  };
  std::stable_sort(told.begin(), told.end(),
                   [&](const Problem& a, const Problem& b) { return rank(a) < rank(b); });
  const auto same = [&](const Problem& a, const Problem& b) {
    return rank(a) == rank(b) && a.message == b.message;
  };
  told.erase(std::unique(told.begin(), told.end(), same), told.end());
  return told;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  constexpr std::size_t longest_word = 64;  // the work is quadratic
  if (word.empty() || word.size() > longest_word) return {};
  std::string_view best;
  std::size_t best_distance = 3;
  for (const std::string& candidate : known) {
    const std::size_t away = distance(word, candidate);
    // Two edits turn any two letters into any other two: short words must share something.
    if (away < best_distance && away < std::max(word.size(), candidate.size())) {
      best_distance = away;
      best = candidate;
    }
  }
  if (best.empty() && word.size() >= 3) {
    for (const std::string& candidate : known) {
      if (candidate.starts_with(word) || (candidate.size() >= 4 && word.starts_with(candidate))) {
        best = candidate;
        break;
      }
    }
  }
  if (best.empty()) return {};
  return "; did you mean '" + std::string(best) + "'?";
}

}  // namespace detail
}  // namespace gatehouse::config
