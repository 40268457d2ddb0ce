#pragma once

#include <cstdint>
#include <string_view>

namespace gatehouse::test {

/// How often the calling thread has asked for memory since it began.
std::uint64_t allocations_of_this_thread();

/// While it lives, memory that the calling thread gives back is searched for these octets. One at a
/// time.
class Watched {
 public:
  /// `octets` outlive it, and are not given back meanwhile.
  explicit Watched(std::string_view octets);
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
  ~Watched();
  /// In how many pieces they were.
  std::uint64_t times() const;
};

}  // namespace gatehouse::test
