#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace gatehouse::http::detail {

/// The top bit of each octet that is a control octet (0x00 to 0x1F, 0x7F). The lowest of them is
/// exact: only an octet that is caught itself borrows from its neighbour above.
inline std::uint64_t control_octets(std::uint64_t eight) {
  constexpr std::uint64_t each = 0x0101010101010101U;
  // Below 0x20: the subtraction borrows into the top bit of an octet that had none. Equal to
  // 0x7F: the same, below 1, once that is taken out.
  const std::uint64_t low = (eight - each * 0x20) & ~eight;
  const std::uint64_t other = eight ^ (each * 0x7F);
  const std::uint64_t equal = (other - each) & ~other;
  return (low | equal) & each * 0x80;
}

/// How many octets at the front are no control octets; a tab is one here. Eight are looked at
/// together.
inline std::size_t plain_prefix(std::string_view bytes) {
  constexpr std::size_t step = sizeof(std::uint64_t);
  constexpr bool first_is_lowest = std::endian::native == std::endian::little;
  const auto found_at = [&](std::size_t at) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, bytes.data() + at, step);
    return at + static_cast<std::size_t>(std::countr_zero(control_octets(eight))) / 8;
  };
  std::size_t at = 0;
  if (first_is_lowest && bytes.size() >= step) {
    for (; bytes.size() - at >= step; at += step) {
      const std::size_t found = found_at(at);
      if (found < at + step) return found;
    }
    // The rest, together with as many as are known to be plain.
    return found_at(bytes.size() - step);
  }
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  while (at < bytes.size() && !control(bytes[at])) ++at;
  return at;
}

// Apart, because it is rare.
[[gnu::noinline]] inline std::size_t past_tab(std::string_view bytes, std::size_t at) {
  return at + 1 + plain_prefix(bytes.substr(at + 1));
}

/// The same where a tab is none: as far as a line's text may go.
inline std::size_t text_prefix(std::string_view bytes) {
  std::size_t at = plain_prefix(bytes);
  while (at < bytes.size() && bytes[at] == '\t') at = past_tab(bytes, at);
  return at;
}

}  // namespace gatehouse::http::detail
