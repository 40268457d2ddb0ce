#pragma once

#include <list>

#include "core/base/clock.hpp"

namespace gatehouse::test {

/// Time that moves only when a test says so. Starts at 2026-01-01T00:00:00Z. One thread: that of
/// the io_context whose coroutines sleep on it; outlives that io_context.
class FakeClock final : public Clock {
 public:
  FakeClock();

  Steady steady() const override { return steady_; }
  Wall wall() const override { return wall_; }
  awaitable<void> wait_until(Steady when) override;

  /// Moves both times on and wakes who is due. The woken run when the io_context is polled.
  void advance(std::chrono::nanoseconds by);
  /// Sets the wall alone: a machine whose date jumps.
  void set_wall(Wall wall) { wall_ = wall; }
  /// How many sleep now.
  std::size_t sleepers() const { return sleepers_.size(); }

 private:
  struct Sleeper {
    Steady when;
    asio::steady_timer* parked;
  };
  struct Place;

  Steady steady_;
  Wall wall_;
  std::list<Sleeper> sleepers_;
};

}  // namespace gatehouse::test
