#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "core/base/clock.hpp"
#include "core/base/keyed_hash.hpp"

namespace gatehouse::serve {

/// How often something may happen: one each `interval`, and `at_once` of them together.
struct Pace {
  std::chrono::nanoseconds interval{0};
  std::uint32_t at_once = 1;
};

/// Who has asked how often, by the generic cell rate algorithm: for each key the time at which all
/// it did will have been paid for. Shared by all workers, so that a limit is one limit; made of
/// atomics, so that none waits for another. Never grows: keys that are quiet cost nothing, and
/// when too many are busy at once the least busy of eight gives way.
class RateTable {
 public:
  explicit RateTable(Entropy& entropy);

  /// Zero: go on, and it is counted. Else how long to wait; that costs nothing.
  std::chrono::nanoseconds ask(std::string_view key, Steady now, Pace pace);

  static constexpr std::size_t most_keys = 65'536;

 private:
  // A key's tag and its time are read and written one by one. Who meets a change between the two
  // counts one request to another key: a limit need not be more exact than that.
  struct Slot {
    std::atomic<std::uint64_t> tag{0};  // 0: free
    std::atomic<std::int64_t> paid_by{0};
  };
  static constexpr std::size_t ways = 8;
  struct alignas(64) Bucket {
    std::array<Slot, ways> slots;
  };

  Slot& slot_of(std::uint64_t tag, std::int64_t now);

  KeyedHash hash_;
  std::unique_ptr<Bucket[]> buckets_;
};

}  // namespace gatehouse::serve
