#include "core/base/entropy.hpp"

#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <system_error>

namespace gatehouse {

std::string Entropy::octets(std::size_t count) {
  std::string out(count, '\0');
  fill(out);
  return out;
}

std::uint64_t Entropy::below(std::uint64_t bound) {
  // Values past the last whole multiple of `bound` would favour small results.
  const std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t usable = most - most % bound;
  for (;;) {
    char raw[8];
    fill(raw);
    std::uint64_t value;
    std::memcpy(&value, raw, sizeof value);
    if (value < usable || usable == 0) return value % bound;
  }
}

void SystemEntropy::fill(std::span<char> octets) {
  while (!octets.empty()) {
    const ssize_t got = ::getrandom(octets.data(), octets.size(), 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      throw std::system_error(errno, std::generic_category(), "getrandom");
    }
    octets = octets.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace gatehouse
