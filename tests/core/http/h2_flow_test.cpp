// What a client may send ahead of who reads it, and we ahead of the client.
#include <doctest/doctest.h>

#include "tests/core/http/bench.hpp"
#include "tests/core/http/h2_bench.hpp"

namespace h2_flow_test {

using namespace gatehouse;
using namespace gatehouse::http;
using namespace gatehouse::test;

namespace {

awaitable<void> big(ServerExchange& exchange) {
  ResponseHead head;
  head.status = 200;
  head.length = BodyLength::streamed();
  co_await exchange.send_head(head);
  const std::string body(100'000, 'x');
  co_await exchange.send_body(body, End::last);
}

}  // namespace

TEST_CASE("a stream without window waits alone, and is reset when it stalls") {
  H2ServerBench bench(&big);
  bench.begin();
  bench.send(h2::request(1, h2::ask("GET", "/")) + h2::grow(0, 1'000'000));
  CHECK(bench.reply(1).body.size() == 65535);
  SUBCASE("another stream goes on") {
    bench.send(h2::request(3, h2::ask("GET", "/")) + h2::grow(3, 100'000));
    CHECK(bench.reply(3).body.size() == 100'000);
    CHECK(bench.reply(3).ended);
    CHECK_FALSE(bench.reply(1).ended);
  }
  SUBCASE("new window lets it end") {
    bench.advance(50s);
    bench.send(h2::grow(1, 10'000));
    CHECK(bench.reply(1).body.size() == 75'535);
    bench.advance(50s);
    bench.send(h2::grow(1, 100'000));
    CHECK(bench.reply(1).body.size() == 100'000);
    CHECK(bench.reply(1).ended);
  }
  SUBCASE("no window ends it") {
    bench.advance(61s);
    CHECK(bench.reply(1).reset == 2);
    CHECK(bench.connection->streams() == 0);
  }
}

TEST_CASE("credit for a body comes back only when it is read") {
  H2ServerSettings settings;
  settings.stream_window = 1000;
  bool go = false;
  std::size_t got = 0;
  asio::steady_timer* gate = nullptr;
  H2ServerBench bench(
      [&](ServerExchange& exchange) -> awaitable<void> {
        auto executor = co_await asio::this_coro::executor;
        asio::steady_timer held(executor, Steady::max());
        gate = &held;
        while (!go) co_await held.async_wait(as_result);
        for (;;) {
          auto piece = co_await exchange.read_body();
          if (!piece) co_return;
          got += piece->bytes.size();
          if (piece->last) break;
        }
        ResponseHead head;
        head.status = 200;
        co_await exchange.send_head(head);
      },
      settings);
  bench.begin();
  const std::size_t before = bench.seen.count(h2::window_update);
  bench.send(h2::request(1, h2::ask("POST", "/"), false) +
             h2::body(1, std::string(1000, 'a'), false));
  CHECK(bench.seen.count(h2::window_update) == before);
  go = true;
  gate->cancel();
  bench.settle();
  CHECK(got == 1000);
  CHECK(bench.seen.count(h2::window_update) > before);
  bench.send(h2::body(1, std::string(1000, 'b'), true));
  CHECK(got == 2000);
  CHECK(bench.reply(1).status() == 200);
}

TEST_CASE("a stream whose reader keeps up may send further ahead") {
  H2ServerSettings settings;
  settings.stream_window = 1000;
  H2ServerBench bench(&echo_body, settings);
  bench.begin();
  bench.send(h2::request(1, h2::ask("POST", "/"), false));
  for (int piece = 0; piece < 4; ++piece) {
    bench.send(h2::body(1, std::string(500, 'a'), false));
  }
  bench.send(h2::body(1, std::string(1200, 'b'), true));
  CHECK(bench.reply(1).status() == 200);
  CHECK(bench.reply(1).body.size() == 3200);
}

TEST_CASE("who reads a body has a turn before more of it is read") {
  std::size_t got = 0;
  std::size_t most_lent = 0;
  net::BufferPool* pool = nullptr;
  H2ServerBench bench([&](ServerExchange& exchange) -> awaitable<void> {
    for (;;) {
      auto piece = co_await exchange.read_body();
      most_lent = std::max(most_lent, pool->lent());
      if (!piece) co_return;
      got += piece->bytes.size();
      if (piece->last) co_return;
    }
  });
  pool = &bench.pool;
  bench.begin();
  // Within the windows of their streams, so that nothing but their turns limits what is there.
  std::string upload;
  for (std::uint32_t id = 1; id < 16; id += 2) {
    upload += h2::request(id, h2::ask("POST", "/"), false);
    for (int i = 0; i < 3; ++i) upload += h2::body(id, std::string(16 * 1024, 'a'), i == 2);
  }
  bench.send(upload);
  CHECK(got == 8 * 3 * 16 * 1024);
  CHECK(most_lent <= 3);  // of eight streams, those that one read brings
}

TEST_CASE("streams that nobody reads stall no other") {
  bool go = false;
  asio::steady_timer* gate = nullptr;
  H2ServerBench bench([&](ServerExchange& exchange) -> awaitable<void> {
    if (exchange.request().path == "/other") {
      co_await echo_body(exchange);
      co_return;
    }
    auto executor = co_await asio::this_coro::executor;
    asio::steady_timer held(executor, Steady::max());
    gate = &held;
    while (!go) co_await held.async_wait(as_result);
  });
  bench.begin();
  const std::string piece(16 * 1024, 'a');
  std::uint32_t id = 1;
  for (; id < 2 * 100; id += 2) {
    bench.send(h2::request(id, h2::ask("POST", "/"), false));
    for (int i = 0; i < 3; ++i) bench.send(h2::body(id, piece, false));
  }
  bench.send(h2::request(id, h2::ask("POST", "/other"), false) + h2::body(id, piece, true));
  CHECK(bench.reply(id).body == piece);
  go = true;
}

TEST_CASE("streams that were read fast and then no more stall no other") {
  constexpr std::size_t mib = 1024 * 1024;
  H2ServerSettings settings;
  settings.streams = 10;
  std::vector<asio::steady_timer*> gates;
  H2ServerBench bench(
      [&](ServerExchange& exchange) -> awaitable<void> {
        if (exchange.request().path == "/other") {
          co_await echo_body(exchange);
          co_return;
        }
        for (std::size_t got = 0; got < 3 * mib;) {
          auto piece = co_await exchange.read_body();
          if (!piece) co_return;
          got += piece->bytes.size();
        }
        auto executor = co_await asio::this_coro::executor;
        asio::steady_timer held(executor, Steady::max());
        gates.push_back(&held);
        co_await held.async_wait(as_result);
      },
      settings);
  bench.begin();
  const std::string piece(16 * 1024, 'a');
  const auto send = [&](std::uint32_t id, std::size_t bytes) {
    for (std::size_t sent = 0; sent < bytes; sent += piece.size())
      bench.send(h2::body(id, piece, false));
  };
  for (std::uint32_t id = 1; id <= 17; id += 2) {
    bench.send(h2::request(id, h2::ask("POST", "/"), false));
    send(id, 3 * mib);
  }
  REQUIRE(gates.size() == 9);
  // The first four may send a mebibyte ahead by now, of which at most half is not told yet.
  for (std::uint32_t id = 1; id <= 7; id += 2) send(id, mib / 2 - 2 * piece.size());
  for (std::uint32_t id = 11; id <= 17; id += 2) send(id, piece.size());
  bench.send(h2::request(19, h2::ask("POST", "/other"), false) + h2::body(19, piece, true));
  CHECK(bench.reply(19).body.size() == piece.size());
  CHECK(bench.reply(1).reset == -1);
  // One that goes gives back what it had.
  bench.send(h2::reset(1, 8));
  gates.front()->cancel();
  bench.settle();
  bench.send(h2::request(21, h2::ask("POST", "/"), false));
  send(21, 3 * mib);
  REQUIRE(gates.size() == 10);
  send(21, mib / 2 - 2 * piece.size());
  CHECK(bench.reply(21).reset == -1);
  for (asio::steady_timer* gate : gates)
    if (gate != gates.front()) gate->cancel();
}

}  // namespace h2_flow_test
