// How slow a client may be: with its head, with a body, and with taking an answer.
#include <doctest/doctest.h>

#include "tests/core/http/bench.hpp"

namespace h1_pace_test {

using namespace gatehouse;
using namespace gatehouse::http;
using namespace gatehouse::test;

namespace {

const std::string get = "GET /one HTTP/1.1\r\nHost: a.example\r\n\r\n";

awaitable<void> read_slowly(FakeClock& clock, ServerExchange& exchange) {
  int status = 200;
  for (bool last = false; !last;) {
    auto piece = co_await exchange.read_body();
    if (!piece) status = 408;
    last = !piece || piece->last;
    co_await clock.sleep_until(clock.steady() + 100s);
  }
  ResponseHead head;
  head.status = status;
  head.length = BodyLength::none();
  co_await exchange.send_head(head);
  co_await exchange.send_body("", End::last);
}

}  // namespace

TEST_CASE("a client too slow with its head is told so, one that says nothing is let go") {
  ServerBench bench(&echo_target);
  bench.start();
  SUBCASE("nothing at all") {
    bench.advance(14'900ms);
    CHECK_FALSE(bench.over);
    bench.advance(100ms);
    CHECK(bench.client->written().empty());
    CHECK(bench.ended.fault() == Fault::none);
  }
  SUBCASE("part of a head") {
    bench.advance(10s);
    bench.send("GET / HT");
    bench.advance(14'900ms);
    CHECK(bench.client->written().empty());
    bench.advance(100ms);
    CHECK(status_of(bench.client->written()) == 408);
    CHECK(bench.connection.refusal().status == 408);
    bench.client->end();
    bench.settle();
  }
  SUBCASE("drop by drop: the deadline does not move") {
    for (int i = 0; i < 15; ++i) {
      bench.send("X");
      bench.advance(1s);
    }
    CHECK(status_of(bench.client->written()) == 408);
    bench.client->end();
    bench.settle();
  }
  SUBCASE("between requests") {
    bench.send(get);
    CHECK(bench.exchanges == 1);
    bench.advance(74'900ms);
    CHECK_FALSE(bench.over);
    bench.advance(100ms);
    CHECK(occurrences(bench.client->written(), "HTTP/1.1 ") == 1);
  }
  CHECK(bench.over);
  CHECK(bench.client->closed());
}

TEST_CASE("a silent body runs into read_idle, and each octet buys time") {
  ServerBench bench(&echo_body);
  bench.start();
  bench.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
  for (int i = 0; i < 3; ++i) {
    bench.advance(59s);
    bench.send("x");
  }
  CHECK(bench.client->written().empty());
  bench.advance(60s);
  CHECK(status_of(bench.client->written()) == 408);
}

TEST_CASE("a client that takes no octet of its answer runs into write_idle") {
  ServerBench bench(&echo_target);
  bench.client->take(10);
  bench.start();
  bench.send(get);
  bench.advance(59s);
  CHECK_FALSE(bench.over);
  bench.client->take(10);
  bench.settle();
  bench.advance(59s);
  CHECK_FALSE(bench.over);
  bench.advance(1s);
  CHECK(bench.over);
  CHECK(bench.client->closed());
  CHECK(bench.client->written().size() == 20);
}

TEST_CASE("a body slower than min_rate is cut after a whole window") {
  H1ServerSettings settings;
  settings.min_rate = 100;
  ServerBench bench(&echo_body, settings);
  bench.start();
  bench.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
  for (int i = 0; i < 12; ++i) {  // 100 octets a second
    bench.send(std::string(1000, 'x'));
    bench.advance(10s);
  }
  CHECK(bench.client->written().empty());
  for (int i = 0; i < 13; ++i) {
    bench.send("x");
    bench.advance(10s);
  }
  CHECK(status_of(bench.client->written()) == 408);
}

TEST_CASE("a body whose reader pauses is not slower for it") {
  H1ServerSettings settings;
  settings.min_rate = 100;
  FakeClock* clock = nullptr;
  const auto road = [&clock](ServerExchange& exchange) { return read_slowly(*clock, exchange); };
  ServerBench bench(road, settings);
  clock = &bench.clock;
  bench.start();
  bench.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n");
  for (int i = 0; i < 10; ++i) {  // 1000 octets a second, 10 a second with the pauses
    bench.advance(1s);
    bench.send(std::string(1000, 'x'));
    bench.advance(100s);
  }
  CHECK(status_of(bench.client->written()) == 200);
}

}  // namespace h1_pace_test
