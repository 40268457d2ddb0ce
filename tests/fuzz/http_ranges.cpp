// A Range field, held against things of several sizes: what comes out lies inside the thing and
// never costs more than it.

#include <cstdint>
#include <limits>
#include <string_view>

#include "core/http/byte_ranges.hpp"

using namespace gatehouse::http;

namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

void check(std::string_view value, std::uint64_t size) {
  const RangeWish wish = read_range(value, size);
  require((wish.kind == RangeWish::Kind::parts) == !wish.ranges.empty());
  require(wish.ranges.size() <= most_ranges);
  std::uint64_t left = size;
  for (const ByteRange& range : wish.ranges) {
    require(range.first <= range.last && range.last < size);
    require(range.size() <= left);
    left -= range.size();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view value(reinterpret_cast<const char*>(data), size);
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  for (const std::uint64_t octets :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{10}, std::uint64_t{1000}, most}) {
    check(value, octets);
  }
  return 0;
}
