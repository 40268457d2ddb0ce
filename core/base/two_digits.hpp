#pragma once

#include <array>
#include <cstddef>
#include <cstring>

namespace gatehouse {

inline constexpr auto two_digits_of = [] {
  std::array<std::array<char, 2>, 100> texts{};
  for (std::size_t value = 0; value < texts.size(); ++value) {
    texts[value] = {static_cast<char>('0' + value / 10), static_cast<char>('0' + value % 10)};
  }
  return texts;
}();

/// Writes `value`, which is below 100, with a zero in front if need be; returns what is behind it.
inline char* put_two_digits(char* to, unsigned value) {
  std::memcpy(to, two_digits_of[value].data(), 2);
  return to + 2;
}

}  // namespace gatehouse
