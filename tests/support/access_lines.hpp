#pragma once

#include <string>

#include "proxy/serve/access_ring.hpp"

namespace gatehouse::test {

/// In the place of the writer: appends all lines that are there; false: there was none.
inline bool take_lines(serve::AccessRing& ring, std::string& out) {
  const auto lines = ring.lines();
  out.append(lines[0]).append(lines[1]);
  ring.taken();
  return !lines[0].empty();
}

}  // namespace gatehouse::test
