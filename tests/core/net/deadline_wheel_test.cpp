#include "core/net/deadline_wheel.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "core/net/crew.hpp"
#include "tests/support/fake_clock.hpp"

namespace deadline_wheel_test {

using namespace gatehouse;
using gatehouse::test::FakeClock;
using namespace std::chrono_literals;

namespace {

struct Wheel {
  asio::io_context context;
  FakeClock clock;
  net::DeadlineWheel wheel{clock};
  net::Crew crew{context.get_executor()};

  Wheel() {
    crew.add(wheel.run());
    settle();
  }
  ~Wheel() {
    crew.stop();
    settle();
  }
  void settle() {
    context.restart();
    context.poll();
  }
  void advance(std::chrono::milliseconds by) {
    for (; by > 0ms; by -= 50ms) {
      clock.advance(std::min<std::chrono::milliseconds>(by, 50ms));
      settle();
    }
  }
};

struct Alarm {
  explicit Alarm(net::DeadlineWheel& wheel) : entry(wheel, this, &Alarm::ring) {}
  static void ring(void* self) noexcept { ++static_cast<Alarm*>(self)->rung; }
  net::DeadlineWheel::Entry entry;
  int rung = 0;
};

/// Silent for so long, and rung once after as much more.
void check_rings(Wheel& w, const Alarm& alarm, std::chrono::milliseconds silent,
                 std::chrono::milliseconds more) {
  w.advance(silent);
  CHECK(alarm.rung == 0);
  w.advance(more);
  CHECK(alarm.rung == 1);
}

using Alarms = std::vector<std::unique_ptr<Alarm>>;

/// Destroys other alarms when it rings.
struct Bomb {
  Bomb(net::DeadlineWheel& wheel, Alarms& doomed)
      : entry(wheel, this, &Bomb::ring), victims(doomed) {}
  static void ring(void* self) noexcept { static_cast<Bomb*>(self)->victims.clear(); }
  net::DeadlineWheel::Entry entry;
  Alarms& victims;
};

}  // namespace

TEST_CASE("a deadline fires once, never early and at most a tick late") {
  Wheel w;
  Alarm alarm(w.wheel);
  alarm.entry.set(w.clock.steady() + 1s);
  check_rings(w, alarm, 950ms, 200ms);
  w.advance(5s);
  CHECK(alarm.rung == 1);
}

TEST_CASE("a deadline that moves later fires at the later time") {
  Wheel w;
  Alarm alarm(w.wheel);
  alarm.entry.set(w.clock.steady() + 1s);
  w.advance(900ms);
  alarm.entry.set(w.clock.steady() + 2s);
  check_rings(w, alarm, 1900ms, 250ms);
}

TEST_CASE("a deadline that moves earlier fires at the earlier time") {
  Wheel w;
  Alarm alarm(w.wheel);
  alarm.entry.set(w.clock.steady() + 60s);
  alarm.entry.set(w.clock.steady() + 500ms);
  w.advance(700ms);
  CHECK(alarm.rung == 1);
}

TEST_CASE("a deadline past the wheel's reach fires in its own turn") {
  Wheel w;
  Alarm alarm(w.wheel);
  alarm.entry.set(w.clock.steady() + 300s);  // the wheel reaches 102 s
  check_rings(w, alarm, 299s, 1200ms);
}

TEST_CASE("a deadline taken away or destroyed never fires") {
  Wheel w;
  Alarm alarm(w.wheel);
  auto gone = std::make_unique<Alarm>(w.wheel);
  alarm.entry.set(w.clock.steady() + 1s);
  gone->entry.set(w.clock.steady() + 1s);
  CHECK(w.wheel.filed() == 2);
  alarm.entry.set(Steady::max());
  gone.reset();
  CHECK(w.wheel.filed() == 0);
  w.advance(2s);
  CHECK(alarm.rung == 0);
}

TEST_CASE("an alarm may destroy its neighbours while they are due") {
  Wheel w;
  Alarms victims;
  for (int i = 0; i < 5; ++i) {
    victims.push_back(std::make_unique<Alarm>(w.wheel));
    victims.back()->entry.set(w.clock.steady() + 1s);
  }
  Bomb bomb(w.wheel, victims);
  bomb.entry.set(w.clock.steady() + 1s);
  w.advance(1200ms);
  CHECK(victims.empty());
  CHECK(w.wheel.filed() == 0);
}

TEST_CASE("after a long sleep with nothing filed a new deadline is on time") {
  Wheel w;
  w.advance(30s);
  Alarm alarm(w.wheel);
  alarm.entry.set(w.clock.steady() + 1s);
  check_rings(w, alarm, 900ms, 300ms);
}

}  // namespace deadline_wheel_test
