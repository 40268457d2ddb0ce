#include "core/net/crew.hpp"

#include <doctest/doctest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <boost/asio/detached.hpp>
#include <stdexcept>

#include "core/net/within.hpp"
#include "tests/support/fake_clock.hpp"

namespace crew_test {

using namespace gatehouse;
using gatehouse::test::FakeClock;
using namespace std::chrono_literals;

namespace {

struct Mark {
  bool& set;
  ~Mark() { set = true; }
};

awaitable<void> sleep_long(Clock& clock, bool& unwound) {
  const Mark mark{unwound};
  co_await clock.sleep_until(clock.steady() + 1h);
}

awaitable<void> fail() {
  throw std::runtime_error("thrown on purpose by a test");
  co_return;
}

awaitable<void> until_gone(net::Crew& crew, bool& gone) {
  co_await crew.gone();
  gone = true;
}

awaitable<Result<int>> answer_after(Clock& clock, std::chrono::seconds wait) {
  co_await clock.sleep_until(clock.steady() + wait);
  co_return 7;
}

awaitable<void> race(Clock& clock, std::chrono::seconds wait, Result<int>& out) {
  auto work = answer_after(clock, wait);
  auto got = co_await net::within(clock, clock.steady() + 5s, Side::ca, std::move(work));
  out = got;
}

}  // namespace

TEST_CASE("a crew that is stopped unwinds every task and is gone") {
  asio::io_context context;
  FakeClock clock;
  net::Crew crew(context.get_executor());
  bool first = false;
  bool second = false;
  bool gone = false;
  crew.add(sleep_long(clock, first));
  crew.add(sleep_long(clock, second));
  asio::co_spawn(context, until_gone(crew, gone), asio::detached);
  context.poll();
  CHECK(crew.size() == 2);
  CHECK_FALSE(gone);
  crew.stop();
  context.poll();
  CHECK(first);
  CHECK(second);
  CHECK(crew.size() == 0);
  CHECK(gone);
}

TEST_CASE("a task that ends before its stop reaches it is none the worse for it") {
  asio::io_context context;
  FakeClock clock;
  net::Crew crew(context.get_executor());
  bool due = false;
  bool waits = false;
  crew.add(sleep_long(clock, due));
  context.poll();
  clock.advance(1h);  // its end is queued
  crew.add(sleep_long(clock, waits));
  crew.stop();  // from outside the loop: queued behind it
  context.restart();
  context.poll();
  CHECK(due);
  CHECK(waits);
  CHECK(crew.size() == 0);
}

TEST_CASE("a task that throws ends alone") {
  asio::io_context context;
  net::Crew crew(context.get_executor());
  crew.add(fail());
  context.poll();
  CHECK(crew.size() == 0);
}

TEST_CASE("a step within its deadline gives its answer, one past it times out") {
  asio::io_context context;
  FakeClock clock;
  net::Crew crew(context.get_executor());
  Result<int> quick(0);
  Result<int> slow(0);
  crew.add(race(clock, 1s, quick));
  crew.add(race(clock, 60s, slow));
  context.poll();
  clock.advance(1s);
  context.restart();
  context.poll();
  REQUIRE(quick.has_value());
  CHECK(*quick == 7);
  clock.advance(5s);
  context.restart();
  context.poll();
  REQUIRE_FALSE(slow.has_value());
  CHECK(slow.error().fault() == Fault::timeout);
  CHECK(slow.error().side() == Side::ca);
  CHECK(crew.size() == 0);
}

TEST_CASE("work with a deadline that is called off was not late") {
  asio::io_context context;
  FakeClock clock;
  Result<int> out = 0;
  asio::cancellation_signal stop;
  std::exception_ptr failure;
  asio::co_spawn(context, race(clock, 1h, out),
                 asio::bind_cancellation_slot(
                     stop.slot(), [&](std::exception_ptr thrown) { failure = thrown; }));
  context.poll();
  stop.emit(asio::cancellation_type::terminal);
  context.run();
  REQUIRE(failure);
  REQUIRE(out.has_value());
  CHECK(out.value() == 0);
  try {
    std::rethrow_exception(failure);
  } catch (const boost::system::system_error& e) {
    CHECK(e.code() == asio::error::operation_aborted);
  }
}

}  // namespace crew_test
