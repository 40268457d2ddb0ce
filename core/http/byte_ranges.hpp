#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace gatehouse::http {

/// Octets `first` to `last`, both included.
struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t size() const { return last - first + 1; }
  bool operator==(const ByteRange&) const = default;
};

/// What a Range field asks for of something that is `size` octets long.
struct RangeWish {
  enum class Kind : std::uint8_t {
    whole,          // no ranges, or none we go by: answer as without the field
    parts,          // `ranges`, in the order asked for, each inside the size
    unsatisfiable,  // 416
  };
  Kind kind = Kind::whole;
  std::vector<ByteRange> ranges;
};

/// More ranges than this in one request are not gone by.
inline constexpr std::size_t most_ranges = 16;

/// Reads the value of a Range field (RFC 9110 §14.2). What is no list of byte ranges is ignored as
/// the RFC wants it; so are sets that cost more than the whole (§17.15): more than most_ranges, or
/// together longer than the size.
RangeWish read_range(std::string_view value, std::uint64_t size);

}  // namespace gatehouse::http
