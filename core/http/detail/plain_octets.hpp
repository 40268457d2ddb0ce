#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <string_view>

#include "core/base/copy_short.hpp"
#include "core/base/eight_octets.hpp"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace gatehouse::http::detail {

#ifdef __SSE2__

/// Octets that are looked at together, and the place of the first control octet among them; a tab
/// is one. `step` where there is none.
struct PlainStep {
  static constexpr std::size_t step = sizeof(__m128i);
  static std::size_t control_at(const char* octets) {
    const __m128i all = _mm_loadu_si128(reinterpret_cast<const __m128i*>(octets));
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(all, _mm_set1_epi8(0x1F)), all);
    const __m128i delete_octet = _mm_cmpeq_epi8(all, _mm_set1_epi8(0x7F));
    const auto found = static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(low, delete_octet)));
    return static_cast<std::size_t>(std::countr_zero(found | 1U << step));
  }
};

#else

struct PlainStep {
  static constexpr std::size_t step = eight_octets::count;
  static std::size_t control_at(const char* octets) {
    const std::uint64_t found = eight_octets::control(eight_octets::at(octets));
    return static_cast<std::size_t>(std::countr_zero(found)) / 8;
  }
};

#endif

/// How many octets at the front are no control octets; a tab is one here.
inline std::size_t plain_prefix(std::string_view bytes) {
  constexpr std::size_t step = PlainStep::step;
  std::size_t at = 0;
  if (bytes.size() >= step) {
    for (; bytes.size() - at >= step; at += step) {
      const std::size_t found = PlainStep::control_at(bytes.data() + at);
      if (found < step) return at + found;
    }
    // The rest, together with as many as are known to be plain.
    const std::size_t last = bytes.size() - step;
    return last + PlainStep::control_at(bytes.data() + last);
  }
  std::array<char, step> few;
  few.fill(' ');
  copy_short(few.data(), bytes);
  return std::min(PlainStep::control_at(few.data()), bytes.size());
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
