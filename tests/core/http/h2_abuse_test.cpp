#include <doctest/doctest.h>

#include "tests/core/http/bench.hpp"
#include "tests/core/http/h2_bench.hpp"

namespace h2_abuse_test {

using namespace gatehouse;
using namespace gatehouse::http;
using namespace gatehouse::test;

namespace {

constexpr int enhance_your_calm = 11;
constexpr int protocol_error = 1;

awaitable<void> hang(ServerExchange&) {
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer forever(executor, Steady::max());
  co_await forever.async_wait(as_result);
}

std::string repeat(std::size_t times, const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

/// Frames after a request head that did not end its block.
std::string unended(std::uint32_t id, const h2::Pairs& fields = h2::ask("GET", "/")) {
  return h2::frame(h2::headers, h2::end_stream, id, h2::block(fields));
}

}  // namespace

TEST_CASE("a bucket lets a burst pass and then a steady rate") {
  TokenBucket bucket(3, 1);
  const Steady start = Steady() + 1h;
  for (int i = 0; i < 3; ++i) CHECK(bucket.take(start));
  CHECK_FALSE(bucket.take(start));
  CHECK(bucket.take(start + 1s));
  CHECK_FALSE(bucket.take(start + 1s));
  bucket.give(100);
  for (int i = 0; i < 3; ++i) CHECK(bucket.take(start + 1s));
  CHECK_FALSE(bucket.take(start + 1s));
}

TEST_CASE("window updates that follow data are no flood") {
  H2Guard guard;
  const Steady now = Steady() + 1h;
  for (int i = 0; i < 10'000; ++i) {
    guard.moved_data();
    CHECK(guard.saw(H2Guard::Event::window_update, now) == H2Abuse::none);
  }
}

TEST_CASE("a client that only makes work is told to calm down and loses its connection") {
  struct Row {
    std::string what;
    H2Abuse abuse;
    std::string bytes;
  };
  std::string rapid;
  for (std::uint32_t id = 1; id < 2000; id += 2) {
    rapid += h2::request(id, h2::ask("GET", "/")) + h2::reset(id, 8);
  }
  std::string provoked;
  for (std::uint32_t id = 1; id < 1000; id += 2) {
    provoked += h2::request(id, h2::ask("POST", "/"), false) + h2::grow(id, 0x7fffffff);
  }
  std::string malformed;
  for (std::uint32_t id = 1; id < 1000; id += 2) {
    malformed += h2::request(id, h2::ask("GET", "no-slash"));
  }
  h2::Pairs many = h2::ask("GET", "/");
  for (int i = 0; i < 3000; ++i) many.emplace_back("a", "");
  std::string bomb = h2::block(many);
  bomb = h2::frame(h2::headers, h2::end_stream | h2::end_headers, 1, bomb.substr(0, 16'000));
  const std::string post = h2::request(1, h2::ask("POST", "/"), false);
  const std::vector<Row> rows = {
      {"rapid reset", H2Abuse::rapid_reset, rapid},
      {"resets provoked by window overflows", H2Abuse::provoked_reset, provoked},
      {"resets provoked by malformed requests", H2Abuse::provoked_reset, malformed},
      {"continuations without end", H2Abuse::continuation_flood,
       unended(1) + repeat(20, h2::frame(h2::continuation, h2::none, 1, h2::block({{"a", "b"}})))},
      {"empty continuations", H2Abuse::continuation_flood,
       unended(1) + repeat(20, h2::frame(h2::continuation, h2::none, 1))},
      {"a header bomb", H2Abuse::header_bomb, bomb},
      {"settings", H2Abuse::settings_flood, repeat(200, h2::frame(h2::settings, h2::none, 0))},
      {"pings", H2Abuse::ping_flood,
       repeat(500, h2::frame(h2::ping, h2::none, 0, std::string(8, 'p')))},
      {"priorities", H2Abuse::priority_flood,
       repeat(1000, h2::frame(h2::priority, h2::none, 3, std::string("\0\0\0\0\1", 5)))},
      {"priority updates", H2Abuse::priority_flood,
       repeat(1000, h2::frame(16, h2::none, 0, h2::number(3) + "u=1"))},
      {"window updates", H2Abuse::window_update_flood, repeat(2000, h2::grow(0, 1))},
      {"empty data", H2Abuse::empty_frames, post + repeat(500, h2::frame(h2::data, h2::none, 1))},
      {"unknown frames", H2Abuse::unknown_frames, repeat(500, h2::frame(77, h2::none, 0, "x"))},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    H2ServerBench bench(&hang);
    bench.begin();
    // Piece by piece, so that our resets leave in between.
    for (std::size_t at = 0; at < row.bytes.size() && !bench.over; at += 1000) {
      bench.send(std::string_view(row.bytes).substr(at, 1000));
    }
    CHECK(name(bench.connection->abuse()) == name(row.abuse));
    CHECK(bench.seen.goaway_code() == enhance_your_calm);
    bench.advance(3s);
    CHECK(bench.over);
  }
}

TEST_CASE("streams that were reset count until their exchanges end") {
  H2ServerSettings settings;
  settings.streams = 5;
  H2ServerBench bench(&hang, settings);
  bench.begin();
  for (std::uint32_t id = 1; id < 41; id += 2) {
    bench.send(h2::request(id, h2::ask("GET", "/")) + h2::reset(id, 8));
  }
  CHECK(bench.exchanges == 5);
  CHECK(bench.connection->streams() == 5);
  CHECK(bench.seen.goaway_code() == -1);
}

TEST_CASE("acknowledgements that nobody reads stop the reading") {
  H2ServerBench bench(&hang);
  bench.begin();
  bench.client->take(0);
  for (int i = 0; i < 100; ++i) {
    bench.clock.advance(1s);
    bench.send(repeat(10, h2::frame(h2::ping, h2::none, 0, std::string(8, 'p'))));
  }
  bench.advance(61s);
  CHECK(bench.over);
}

TEST_CASE("what a connection must never say ends it") {
  struct Row {
    std::string what;
    std::string bytes;
    int code;
  };
  const std::vector<Row> rows = {
      {"a push promise", h2::frame(h2::push_promise, h2::end_headers, 1, h2::number(2)), 1},
      {"an even stream", h2::request(2, h2::ask("GET", "/")), 1},
      {"data on an idle stream", h2::body(7, "x", true), 1},
      {"settings of odd length", h2::frame(h2::settings, h2::none, 0, "abcde"), 6},
      {"settings on a stream", h2::frame(h2::settings, h2::none, 1), 1},
      {"a window of 2^31", h2::frame(h2::settings, h2::none, 0, h2::setting(4, 0x80000000U)), 3},
      {"tiny frames only", h2::frame(h2::settings, h2::none, 0, h2::setting(5, 100)), 1},
      {"push that is neither on nor off", h2::frame(h2::settings, h2::none, 0, h2::setting(2, 2)),
       1},
      {"something amid a header block", unended(1) + h2::frame(h2::ping, h2::none, 0, "12345678"),
       1},
      {"a continuation from nowhere", h2::frame(h2::continuation, h2::end_headers, 1), 1},
      {"a frame that is too long", h2::frame(h2::data, h2::none, 1, std::string(16'385, 'x')), 6},
      {"undecodable fields", h2::frame(h2::headers, 5, 1, "\xff\xff\xff\xff\xff"), 9},
      {"a connection window past 2^31", h2::grow(0, 0x7fffffff), 3},
      {"no growth of the connection's window", h2::grow(0, 0), 1},
      {"padding longer than its frame",
       h2::request(1, h2::ask("POST", "/"), false) +
           h2::frame(h2::data, h2::padded, 1, std::string("\x09x", 2)),
       1},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    H2ServerBench bench(&hang);
    bench.begin();
    bench.send(row.bytes);
    CHECK(bench.seen.goaway_code() == row.code);
    bench.advance(3s);
    CHECK(bench.over);
  }
}

TEST_CASE("what is no HTTP/2 preface ends the connection") {
  H2ServerBench bench(&hang);
  bench.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  CHECK(bench.seen.goaway_code() == protocol_error);
  CHECK(bench.connection->failure().fault() == Fault::bad_message);
  bench.advance(3s);
  CHECK(bench.over);
}

TEST_CASE("cookie crumbs by the dozen pass, by the thousand they do not") {
  H2ServerBench bench(&echo_target);
  bench.begin();
  h2::Pairs dozens = h2::ask("GET", "/");
  for (int i = 0; i < 90; ++i) dozens.emplace_back("cookie", "a=" + std::to_string(i));
  bench.send(h2::request(1, dozens));
  CHECK(bench.reply(1).status() == 200);
  h2::Pairs thousand = h2::ask("GET", "/");
  for (int i = 0; i < 1000; ++i) thousand.emplace_back("cookie", "");
  const std::string block = h2::block(thousand);
  REQUIRE(block.size() < 16'384);
  bench.send(h2::frame(h2::headers, 5, 3, block));
  CHECK(bench.reply(3).status() == 431);
  CHECK(bench.refusals == std::vector<std::string>{"431 header_too_large"});
  bench.send(h2::request(5, h2::ask("GET", "/")));
  CHECK(bench.reply(5).status() == 200);
}

}  // namespace h2_abuse_test
