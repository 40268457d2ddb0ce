#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.hpp"

namespace gatehouse::config::detail {

struct Member;

/// What stands for a secret in a printed config.
inline constexpr std::string_view redacted = "<redacted>";

/// A value of the text with its place: what the readers see instead of the TOML library.
struct Node {
  enum class Kind : std::uint8_t { text, integer, real, flag, date, list, table };
  Kind kind = Kind::table;
  Position at;
  std::string text;
  std::int64_t integer = 0;
  double real = 0;
  bool flag = false;
  bool broken = false;  // already told as a problem: readers pass over it in silence
  std::vector<Node> items;
  std::vector<Member> members;  // in the order of the text

  const Member* find(std::string_view key) const;
  Member* find(std::string_view key);
  /// All scalars in it, as text.
  std::vector<std::string> values() const;
};

struct Member {
  std::string key;
  Position at;
  Node value;
};

/// What `key` of a table says; null where there is no such key, or no such table.
const Node* below(const Node* table, std::string_view key);

/// "a string", "a whole number", …: for messages.
std::string_view name(Node::Kind kind);

}  // namespace gatehouse::config::detail
