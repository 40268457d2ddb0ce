#pragma once

#include <algorithm>

namespace gatehouse {

/// C++23 calls it std::ranges::contains.
template <class Range, class Value>
bool contains(const Range& range, const Value& value) {
  return std::find(range.begin(), range.end(), value) != range.end();
}

}  // namespace gatehouse
