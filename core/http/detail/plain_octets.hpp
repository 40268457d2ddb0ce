#pragma once

#include <bit>
#include <string_view>

#include "core/base/eight_octets.hpp"

namespace gatehouse::http::detail {

/// How many octets at the front are no control octets; a tab is one here. Eight are looked at
/// together.
inline std::size_t plain_prefix(std::string_view bytes) {
  constexpr std::size_t step = eight_octets::count;
  constexpr bool first_is_lowest = std::endian::native == std::endian::little;
  const auto found_at = [&](std::size_t at) {
    const std::uint64_t found = eight_octets::control(eight_octets::at(bytes.data() + at));
    return at + static_cast<std::size_t>(std::countr_zero(found)) / 8;
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
