#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace gatehouse::http::detail {

/// How many octets at the front are surely no control octets (0x00 to 0x1F, 0x7F): eight are looked
/// at together, so there may be up to seven more, and a tab counts as one here.
inline std::size_t plain_prefix(std::string_view bytes) {
  constexpr std::uint64_t ones = 0x0101010101010101U;
  constexpr std::uint64_t highs = 0x8080808080808080U;
  std::size_t at = 0;
  for (; bytes.size() - at >= 8; at += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, bytes.data() + at, 8);
    // Below 0x20: the subtraction borrows into the top bit of an octet that had none. Equal to
    // 0x7F: the same, below 1, once that is taken out. A neighbour's borrow may only add an octet
    // to a word that is caught already.
    const std::uint64_t low = (eight - ones * 0x20) & ~eight;
    const std::uint64_t del = (eight ^ (ones * 0x7F));
    const std::uint64_t equal = (del - ones) & ~del;
    if (((low | equal) & highs) != 0) break;
  }
  return at;
}

}  // namespace gatehouse::http::detail
