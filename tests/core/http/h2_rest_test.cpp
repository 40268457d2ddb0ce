// A connection on which nothing happens lets most of its memory go, and nobody can tell.
#include <doctest/doctest.h>

#include "tests/core/http/bench.hpp"
#include "tests/core/http/h2_bench.hpp"

namespace h2_rest_test {

using namespace gatehouse;
using namespace gatehouse::http;
using namespace gatehouse::test;

namespace {

awaitable<void> tell_flavour(ServerExchange& exchange) {
  std::string flavour;
  for (const Field& field : exchange.request().fields) {
    if (field.name == "flavour") flavour = field.value;
  }
  ResponseHead head;
  head.status = 200;
  head.length = BodyLength::counted(flavour.size());
  head.fields.add("served-with", "sugar");  // enters our table, and the client's
  co_await exchange.send_head(head);
  co_await exchange.send_body(flavour, End::last);
}

std::string block_of(std::uint32_t stream, const std::string& octets) {
  return h2::frame(h2::headers, h2::end_headers | h2::end_stream, stream, octets);
}

/// A connection that has answered one request, whose field is in the table of both sides.
struct Rested : H2ServerBench {
  explicit Rested(H2ServerSettings settings = {}) : H2ServerBench(&tell_flavour, settings) {
    begin();
    send(block_of(1, h2::block(h2::ask("GET", "/")) + "\x40\x07" + "flavour\x07" + "vanilla"));
    REQUIRE(reply(1).body == "vanilla");
    advance(4s);
    REQUIRE_FALSE(connection->resting());
    advance(2s);
    REQUIRE(connection->resting());
  }
  void ask_again(std::uint32_t id) {
    // 62: the newest entry of the client's table (RFC 7541 §2.3.3).
    send(block_of(id, h2::block(h2::ask("GET", "/")) + "\xBE"));
    CHECK(reply(id).status() == 200);
    CHECK(reply(id).field("served-with") == "sugar");
    CHECK(reply(id).body == "vanilla");
  }
};

}  // namespace

TEST_CASE("a connection that rested goes on with the tables it had") {
  Rested bench;
  bench.ask_again(3);
  CHECK_FALSE(bench.connection->resting());
  bench.advance(6s);
  CHECK(bench.connection->resting());
  bench.ask_again(5);
  CHECK(bench.seen.goaway_code() == -1);
}

TEST_CASE("a PING is answered, and rest is sought again") {
  Rested bench;
  bench.send(h2::frame(h2::ping, 0, 0, "12345678"));
  CHECK(bench.seen.count(h2::ping) == 1);
  CHECK_FALSE(bench.connection->resting());
  bench.advance(6s);
  CHECK(bench.connection->resting());
}

TEST_CASE("rest does not put off the end of an idle connection") {
  H2ServerSettings settings;
  settings.idle = 20s;
  Rested bench(settings);
  bench.advance(13s);
  CHECK(bench.seen.goaway_code() == -1);
  bench.advance(2s);
  CHECK(bench.seen.goaway_code() == 0);
  bench.advance(3s);
  CHECK(bench.over);
}

TEST_CASE("a connection that rests is drained like any other") {
  Rested bench;
  bench.connection->drain();
  bench.settle();
  CHECK(bench.seen.goaway_code() == 0);
  bench.advance(5s);
  CHECK(bench.over);
}

TEST_CASE("a connection may end at rest") {
  Rested bench;
  SUBCASE("by its client") {
    bench.client->end();
    bench.settle();
    CHECK(bench.over);
  }
  SUBCASE("cut") {
    bench.client->cut();
    bench.settle();
    CHECK(bench.over);
  }
  SUBCASE("with a last word") {
    bench.connection->take_leave();
    CHECK(bench.seen.goaway_code() == 0);
    CHECK(bench.seen.goaway_last() == 1);
  }
}

TEST_CASE("what is to be sent while a connection is being left wakes it again") {
  H2ServerBench bench(&tell_flavour, {}, H2Connection::AtRest::leave);
  bench.begin();
  bench.send(h2::request(1, h2::ask("GET", "/")));
  bench.advance(4s);
  REQUIRE_FALSE(bench.connection->rests());
  bool drained = false;
  for (int step = 0; step < 8 && !drained; ++step) {
    bench.clock.advance(250ms);
    bench.io.restart();
    while (bench.io.poll_one() > 0) {
      if (drained || !bench.connection->rests() || bench.over) continue;
      bench.connection->drain();  // the reader is gone, the writer not yet
      drained = true;
    }
  }
  REQUIRE(drained);
  CHECK_FALSE(bench.over);
  CHECK_FALSE(bench.connection->rests());
  CHECK(bench.seen.goaway_code() == 0);
  bench.advance(5s);
  CHECK(bench.over);
}

TEST_CASE("a stream under way keeps its connection awake") {
  H2ServerBench bench([](ServerExchange&) -> awaitable<void> {
    auto executor = co_await asio::this_coro::executor;
    asio::steady_timer forever(executor, Steady::max());
    co_await forever.async_wait(as_result);
  });
  bench.begin();
  bench.send(h2::request(1, h2::ask("GET", "/")));
  bench.advance(20s);
  CHECK_FALSE(bench.connection->resting());
}

}  // namespace h2_rest_test
