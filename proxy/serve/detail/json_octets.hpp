#pragma once

#include <cstddef>
#include <cstring>

#include "core/base/eight_octets.hpp"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace gatehouse::serve::detail {

/// Whether octets stand in a JSON string as they are (RFC 8259 §7): visible ASCII and spaces, no
/// quote, no backslash. `step` of them are looked at together.
struct JsonOctets {
#ifdef __SSE2__
  static constexpr std::size_t step = sizeof(__m128i);
  static bool harmless(const char* octets) {
    const __m128i all = _mm_loadu_si128(reinterpret_cast<const __m128i*>(octets));
    // Signed, so that octets beyond ASCII are below a space as well.
    const __m128i below = _mm_cmplt_epi8(all, _mm_set1_epi8(' '));
    const __m128i marks = _mm_or_si128(_mm_cmpeq_epi8(all, _mm_set1_epi8('"')),
                                       _mm_cmpeq_epi8(all, _mm_set1_epi8('\\')));
    const __m128i harm = _mm_or_si128(below, _mm_cmpeq_epi8(all, _mm_set1_epi8(0x7F)));
    return _mm_movemask_epi8(_mm_or_si128(harm, marks)) == 0;
  }
#else
  static constexpr std::size_t step = eight_octets::count;
  static bool harmless(const char* octets) {
    namespace eight = eight_octets;
    const std::uint64_t all = eight::at(octets);
    return ((all & eight::all_of(0x80)) | eight::control(all) | eight::equal(all, '"') |
            eight::equal(all, '\\')) == 0;
  }
#endif

  /// Of all up to `end`, behind which `step` octets of the caller's are written over.
  static bool harmless(const char* begin, char* end) {
    std::memset(end, ' ', step);
    for (; begin < end; begin += step) {
      if (!harmless(begin)) return false;
    }
    return true;
  }
};

}  // namespace gatehouse::serve::detail
