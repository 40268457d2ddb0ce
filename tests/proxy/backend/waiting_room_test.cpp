#include "proxy/serve/backend/waiting_room.hpp"

#include <doctest/doctest.h>

#include <string>

#include "core/net/crew.hpp"
#include "tests/support/fake_clock.hpp"

namespace waiting_room_test {

using namespace gatehouse;
using namespace gatehouse::serve::backend;
using gatehouse::test::FakeClock;
using namespace std::chrono_literals;

namespace {

/// A worker as far as waiting goes.
struct Floor {
  asio::io_context context;
  FakeClock clock;
  net::DeadlineWheel wheel{clock};
  net::Crew crew{context.get_executor()};
  std::shared_ptr<WaitingRoom> room;
  std::string told;

  explicit Floor(const std::shared_ptr<Bell>& bell)
      : room(std::make_shared<WaitingRoom>(wheel, context.get_executor(), bell)) {
    crew.add(wheel.run());
    settle();
  }
  ~Floor() {
    crew.stop();
    settle();
  }
  static awaitable<void> guest(Floor& floor, char name, WaitingRoom::Place place) {
    const Steady deadline = floor.clock.steady() + 3s;
    const bool called = co_await floor.room->sit(deadline, place);
    floor.told += name;
    floor.told += called ? '+' : '-';
  }
  void enter(char name, WaitingRoom::Place place = WaitingRoom::Place::last) {
    crew.add(guest(*this, name, place));
    settle();
  }
  void settle() {
    context.restart();
    context.poll();
  }
};

}  // namespace

TEST_CASE("who came first is called first, and who was called in vain comes before all") {
  Floor floor(std::make_shared<Bell>());
  floor.enter('a');
  floor.enter('b');
  floor.enter('c', WaitingRoom::Place::first);
  for (int i = 0; i < 4; ++i) floor.room->call();
  floor.settle();
  CHECK(floor.told == "c+a+b+");
  CHECK(floor.room->empty());
}

TEST_CASE("nobody waits past the deadline") {
  Floor floor(std::make_shared<Bell>());
  floor.enter('a');
  floor.clock.advance(2900ms);
  floor.settle();
  CHECK(floor.told.empty());
  floor.clock.advance(300ms);
  floor.settle();
  CHECK(floor.told == "a-");
  CHECK(floor.room->empty());
}

TEST_CASE("a bell calls every room that listens, once") {
  const auto bell = std::make_shared<Bell>();
  Floor here(bell);
  Floor there(bell);
  Floor deaf(bell);
  for (Floor* each : {&here, &there, &deaf}) each->enter('a');
  for (Floor* each : {&here, &there, &deaf}) each->enter('b');
  here.room->listen();
  here.room->listen();
  there.room->listen();
  bell->ring();
  bell->ring();
  for (Floor* each : {&here, &there, &deaf}) each->settle();
  for (Floor* each : {&here, &there, &deaf}) each->settle();
  CHECK(here.told == "a+");
  CHECK(there.told == "a+");
  CHECK(deaf.told.empty());
}

TEST_CASE("a bell outlives rooms that hung themselves in") {
  const auto bell = std::make_shared<Bell>();
  {
    Floor gone(bell);
    gone.room->listen();
  }
  Floor floor(bell);
  floor.room->listen();
  floor.room.reset();
  bell->ring();
  floor.settle();
  CHECK(floor.told.empty());
}

}  // namespace waiting_room_test
