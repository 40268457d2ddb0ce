#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/base/copy_short.hpp"

/// Eight octets looked at together, as one number. What is found is told by top bits: that of each
/// octet that is meant, all others are 0. Where it says so, only the lowest octet that is found is
/// exact: one above it may have been found because of it. Whether there is any is always exact.
namespace gatehouse::eight_octets {

inline constexpr std::size_t count = sizeof(std::uint64_t);

/// The first of them is the lowest, whatever the machine.
inline std::uint64_t at(const char* octets) {
  std::uint64_t out = 0;
  std::memcpy(&out, octets, sizeof out);
  return std::endian::native == std::endian::big ? __builtin_bswap64(out) : out;
}

/// The same octet eight times.
constexpr std::uint64_t all_of(unsigned char octet) { return 0x0101010101010101U * octet; }

/// The same of a text that has fewer than eight, with `fill` behind it.
inline std::uint64_t few(std::string_view text, char fill = '\0') {
  if (text.size() >= count) __builtin_unreachable();
  std::array<char, count> octets;
  octets.fill(fill);
  copy_short(octets.data(), text);
  return at(octets.data());
}

/// Those below `limit`, which is 0x80 at most; the lowest is exact.
constexpr std::uint64_t below(std::uint64_t octets, unsigned char limit) {
  // The subtraction borrows into the top bit of an octet that had none.
  return (octets - all_of(limit)) & ~octets & all_of(0x80);
}

/// Those that are `octet`; the lowest is exact.
constexpr std::uint64_t equal(std::uint64_t octets, unsigned char octet) {
  return below(octets ^ all_of(octet), 1);
}

/// Control octets: 0x00 to 0x1F, 0x7F; the lowest is exact.
constexpr std::uint64_t control(std::uint64_t octets) {
  return below(octets, 0x20) | equal(octets, 0x7F);
}

/// ASCII's capitals; each is exact.
constexpr std::uint64_t capitals(std::uint64_t octets) {
  const std::uint64_t low = octets & all_of(0x7F);  // sums stay within their octet
  const std::uint64_t from_a = low + all_of(0x80 - 'A');
  const std::uint64_t behind_z = low + all_of(0x7F - 'Z');
  return (from_a ^ behind_z) & ~octets & all_of(0x80);
}

}  // namespace gatehouse::eight_octets
