#pragma once

#include <chrono>

#include "core/base/asio.hpp"

namespace gatehouse {

using Steady = std::chrono::steady_clock::time_point;  // deadlines
using Wall = std::chrono::system_clock::time_point;    // certificate dates, log times

/// Time from outside: the real one in the product, one that a test advances in tests.
/// Any thread may call any of it.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Steady steady() const = 0;
  virtual Wall wall() const = 0;
  /// Returns when `when` has passed; throws operation_aborted when cancelled.
  awaitable<void> sleep_until(Steady when);
  /// Returns when `when` has passed, or when cancelled: for a side of a race, where nothing
  /// follows. Whoever wins, nothing is thrown for the other one.
  virtual awaitable<void> wait_until(Steady when) = 0;
};

class SystemClock final : public Clock {
 public:
  Steady steady() const override { return std::chrono::steady_clock::now(); }
  Wall wall() const override { return std::chrono::system_clock::now(); }
  awaitable<void> wait_until(Steady when) override;
};

}  // namespace gatehouse
