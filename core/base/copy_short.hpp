#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

namespace gatehouse {

/// Copies `bytes` to `to` and returns what is behind them. For texts of some ten octets, of which a
/// message has dozens: a call for each costs more than the copy. They do not overlap.
[[gnu::always_inline]] inline char* copy_short(char* to, std::string_view bytes) {
  // Two moves that may overlap each other: of how many octets is all there is to decide.
  const auto ends = [&]<std::size_t size>() {
    std::memcpy(to, bytes.data(), size);
    std::memcpy(to + bytes.size() - size, bytes.data() + bytes.size() - size, size);
  };
  if (bytes.size() > 32) {
    std::memcpy(to, bytes.data(), bytes.size());
  } else if (bytes.size() >= 16) {
    ends.operator()<16>();
  } else if (bytes.size() >= 8) {
    ends.operator()<8>();
  } else if (bytes.size() >= 4) {
    ends.operator()<4>();
  } else if (bytes.size() >= 2) {
    ends.operator()<2>();
  } else if (bytes.size() == 1) {
    *to = bytes.front();
  }
  return to + bytes.size();
}

}  // namespace gatehouse
