#include "acme/lifetime.hpp"

#include <doctest/doctest.h>

namespace gatehouse::acme::lifetime_test {
namespace {

using namespace std::chrono_literals;
using Stock = Standing::Stock;

const Wall start{std::chrono::seconds(1'767'225'600)};
constexpr auto day = 24h;
const Lifetime ninety_days{start, start + 90 * day};

Standing held() {
  Standing standing;
  standing.stock = Stock::held;
  standing.lifetime = ninety_days;
  standing.cas.resize(2);
  return standing;
}

Backoff failed(std::uint32_t attempts, Wall last, std::chrono::seconds wait) {
  Backoff backoff;
  backoff.attempts = attempts;
  backoff.last_failure = last;
  backoff.next_attempt = last + wait;
  return backoff;
}

const PlaceOrder* order_in(const NextAction& action) { return std::get_if<PlaceOrder>(&action); }
const Rest* rest_in(const NextAction& action) { return std::get_if<Rest>(&action); }

TEST_CASE("a certificate is renewed at its share of life, up to a twentieth later") {
  CHECK(renewal_time(ninety_days, 2.0 / 3, 0) - (start + 60 * day) < 1s);
  const Wall latest = renewal_time(ninety_days, 2.0 / 3, 0.999999);
  CHECK(latest > start + 60 * day + 107h);
  CHECK(latest <= start + 60 * day + 108h);
}

TEST_CASE("no share of life moves the renewal past the danger line") {
  CHECK(renewal_time(ninety_days, 0.99, 0.5) == danger_time(ninety_days));
  CHECK(danger_time(ninety_days) == start + 90 * day - 108h);
}

TEST_CASE("what storage has is asked first") {
  Standing standing;
  CHECK(std::holds_alternative<Load>(next_action(standing, start)));
  standing.stock = Stock::refused;
  standing.look_again = start + 1min;
  const NextAction waiting = next_action(standing, start);
  REQUIRE(rest_in(waiting) != nullptr);
  CHECK(rest_in(waiting)->until == start + 1min);
  CHECK(std::holds_alternative<Load>(next_action(standing, start + 1min)));
}

TEST_CASE("a name without a certificate is ordered from the first CA") {
  Standing standing = held();
  standing.stock = Stock::none;
  const NextAction action = next_action(standing, start);
  REQUIRE(order_in(action) != nullptr);
  CHECK(order_in(action)->ca == 0);
  CHECK(order_in(action)->urgency == Urgency::configured);
}

TEST_CASE("a certificate of a CA that left the list is replaced at once") {
  Standing standing = held();
  standing.stock = Stock::foreign;
  REQUIRE(order_in(next_action(standing, start)) != nullptr);
}

TEST_CASE("a live certificate rests until its renewal, and grows more urgent after it") {
  const Standing standing = held();
  const NextAction young = next_action(standing, start + 59 * day);
  REQUIRE(rest_in(young) != nullptr);
  CHECK(rest_in(young)->until == renewal_time(ninety_days, 2.0 / 3, 0));
  const NextAction due = next_action(standing, start + 61 * day);
  REQUIRE(order_in(due) != nullptr);
  CHECK(order_in(due)->urgency == Urgency::renewal);
  const NextAction late = next_action(standing, start + 86 * day);
  REQUIRE(order_in(late) != nullptr);
  CHECK(order_in(late)->urgency == Urgency::danger);
  const NextAction over = next_action(standing, start + 90 * day);
  REQUIRE(order_in(over) != nullptr);
  CHECK(order_in(over)->urgency == Urgency::expired);
}

TEST_CASE("a first temporary failure waits for the same CA") {
  Standing standing = held();
  const Wall now = start + 61 * day;
  standing.cas[0].backoff = failed(1, now, 60s);
  const NextAction action = next_action(standing, now);
  REQUIRE(rest_in(action) != nullptr);
  CHECK(rest_in(action)->until == now + 60s);
}

TEST_CASE("the next CA of the list has its turn when the first is passed over") {
  Standing standing = held();
  const Wall now = start + 61 * day;
  SUBCASE("after three failures in a row") { standing.cas[0].backoff = failed(3, now, 120s); }
  SUBCASE("when it refuses for good") {
    standing.cas[0].backoff = failed(1, now, 60s);
    standing.cas[0].backoff.permanent = true;
  }
  SUBCASE("when it names a long wait") { standing.cas[0].backoff = failed(1, now, 34h); }
  SUBCASE("when it is down as a whole") { standing.cas[0].paused_until = now + 1h; }
  const NextAction action = next_action(standing, now);
  REQUIRE(order_in(action) != nullptr);
  CHECK(order_in(action)->ca == 1);
}

TEST_CASE("with every CA waiting, the soonest decides") {
  Standing standing = held();
  const Wall now = start + 61 * day;
  standing.cas[0].backoff = failed(5, now, 600s);
  standing.cas[1].backoff = failed(4, now, 300s);
  const NextAction action = next_action(standing, now);
  REQUIRE(rest_in(action) != nullptr);
  CHECK(rest_in(action)->until == now + 300s);
}

TEST_CASE("in danger a daily retry becomes an hourly one, and every CA counts") {
  Standing standing = held();
  const Wall now = start + 87 * day;
  standing.cas[0].backoff = failed(9, now, 24h);
  standing.cas[0].backoff.permanent = true;
  standing.cas[1].backoff = failed(1, now, 24h);
  const NextAction action = next_action(standing, now);
  REQUIRE(rest_in(action) != nullptr);
  CHECK(rest_in(action)->until == now + 1h);
  standing.cas[1].backoff = Backoff();
  const NextAction second = next_action(standing, now);
  REQUIRE(order_in(second) != nullptr);
  CHECK(order_in(second)->ca == 1);
}

TEST_CASE("an operator's wish goes ahead of lifetime and back-off") {
  Standing standing = held();
  standing.forced = true;
  standing.cas[0].backoff = failed(9, start, 24h);
  REQUIRE(order_in(next_action(standing, start)) != nullptr);
}

TEST_CASE("a refused renewal of an on-demand name holds still until it is asked again") {
  Standing standing = held();
  const Wall now = start + 61 * day;
  standing.held_back_until = now + 5min;
  const NextAction action = next_action(standing, now);
  REQUIRE(rest_in(action) != nullptr);
  CHECK(rest_in(action)->until == now + 5min);
}

TEST_CASE("without a CA nothing is ordered") {
  Standing standing = held();
  standing.stock = Stock::none;
  standing.cas.clear();
  REQUIRE(rest_in(next_action(standing, start)) != nullptr);
  standing.forced = true;
  REQUIRE(rest_in(next_action(standing, start)) != nullptr);
}

}  // namespace
}  // namespace gatehouse::acme::lifetime_test
