#include "tests/support/fake_clock.hpp"

#include <boost/system/system_error.hpp>

namespace gatehouse::test {

/// A sleeper's entry in the list; leaves it with the frame, however that ends.
struct FakeClock::Place {
  Place(std::list<Sleeper>& list, Steady when, asio::steady_timer& parked)
      : sleepers(list), at(list.insert(list.end(), Sleeper{when, &parked})) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { sleepers.erase(at); }
  std::list<Sleeper>& sleepers;
  std::list<Sleeper>::iterator at;
};

// 2026-01-01T00:00:00Z. The steady start is a round number far from zero: time points before the
// start stay representable.
FakeClock::FakeClock()
    : steady_(std::chrono::hours(1000)), wall_(std::chrono::seconds(1'767'225'600)) {}

awaitable<void> FakeClock::wait_until(Steady when) {
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer parked(executor, Steady::max());  // never fires: advance() or cancellation
  const Place place(sleepers_, when, parked);
  if (steady_ < when) co_await parked.async_wait(as_result);
}

void FakeClock::advance(std::chrono::nanoseconds by) {
  steady_ += std::chrono::duration_cast<Steady::duration>(by);
  wall_ += std::chrono::duration_cast<Wall::duration>(by);
  for (Sleeper& sleeper : sleepers_) {
    if (sleeper.when <= steady_) sleeper.parked->cancel();
  }
}

}  // namespace gatehouse::test
