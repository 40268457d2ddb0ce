#include "core/http/byte_ranges.hpp"

#include <limits>
#include <optional>

#include "core/base/bytes.hpp"
#include "core/http/header_rules.hpp"

namespace gatehouse::http {
namespace {

/// At least one digit and nothing else; past 64 bits, the most there is.
std::optional<std::uint64_t> number_in(std::string_view text) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  if (text.empty()) return {};
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return {};
    const auto digit = static_cast<std::uint64_t>(c - '0');
    value = value > (most - digit) / 10 ? most : value * 10 + digit;
  }
  return value;
}

/// One range as written: "first-last", "first-" or "-suffix".
struct Spec {
  std::optional<std::uint64_t> first;  // none: the last `last` octets
  std::optional<std::uint64_t> last;   // none: to the end
};

std::optional<Spec> spec_in(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return {};
  const std::string_view before = text.substr(0, dash);
  const std::string_view after = text.substr(dash + 1);
  Spec spec;
  spec.first = number_in(before);
  spec.last = number_in(after);
  if (!spec.first && !before.empty()) return {};
  if (!spec.last && (!after.empty() || before.empty())) return {};
  if (spec.first && spec.last && *spec.last < *spec.first) return {};
  return spec;
}

/// None: nothing of it is there.
std::optional<ByteRange> resolved(const Spec& spec, std::uint64_t size) {
  if (size == 0) return {};
  const std::uint64_t end = size - 1;
  if (!spec.first) {
    if (*spec.last == 0) return {};
    return ByteRange{*spec.last < size ? size - *spec.last : 0, end};
  }
  if (*spec.first > end) return {};
  return ByteRange{*spec.first, std::min(spec.last.value_or(end), end)};
}

}  // namespace

RangeWish read_range(std::string_view value, std::uint64_t size) {
  const std::size_t equals = value.find('=');
  if (equals == std::string_view::npos) return {};
  if (!equal_ignoring_case(value.substr(0, equals), "bytes")) return {};
  RangeWish wish;
  bool readable = true;
  bool of_nothing = false;  // the last octets of something empty: that is all of it
  std::size_t count = 0;
  std::uint64_t left = size;
  for_each_member(value.substr(equals + 1), [&](std::string_view member) {
    ++count;
    const auto spec = spec_in(member);
    readable = readable && spec && count <= most_ranges;
    if (!readable) return;
    of_nothing = of_nothing || (size == 0 && !spec->first && *spec->last > 0);
    const auto range = resolved(*spec, size);
    if (!range) return;
    readable = range->size() <= left;
    if (!readable) return;
    left -= range->size();
    wish.ranges.push_back(*range);
  });
  if (!readable || count == 0 || of_nothing) return {};
  wish.kind = wish.ranges.empty() ? RangeWish::Kind::unsatisfiable : RangeWish::Kind::parts;
  return wish;
}

}  // namespace gatehouse::http
