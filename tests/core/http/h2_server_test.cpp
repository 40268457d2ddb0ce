#include <doctest/doctest.h>

#include "tests/core/http/bench.hpp"
#include "tests/core/http/h2_bench.hpp"

namespace h2_server_test {

using namespace gatehouse;
using namespace gatehouse::http;
using namespace gatehouse::test;

namespace {

awaitable<void> reply_with(ServerExchange& exchange, int status, BodyLength length,
                           std::string body) {
  ResponseHead head;
  head.status = status;
  head.length = length;
  head.fields.add("X-Mixed-Case", "kept");
  co_await exchange.send_head(head);
  co_await exchange.send_body(body, End::last);
}
awaitable<void> hello(ServerExchange& exchange) {
  co_await reply_with(exchange, 200, BodyLength::counted(5), "hello");
}
awaitable<void> no_content(ServerExchange& exchange) {
  co_await reply_with(exchange, 204, BodyLength::none(), "");
}
/// Never ends by itself.
awaitable<void> hang(ServerExchange&) {
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer forever(executor, Steady::max());
  co_await forever.async_wait(as_result);
}
awaitable<void> early_and_trailers(ServerExchange& exchange) {
  ResponseHead hints;
  hints.status = 103;
  hints.fields.add("link", "</a.css>");
  co_await exchange.send_informational(hints);
  ResponseHead head;
  head.status = 200;
  head.length = BodyLength::streamed();
  co_await exchange.send_head(head);
  co_await exchange.send_body("part", End::more);
  Fields trailers;
  trailers.add("grpc-status", "0");
  co_await exchange.send_trailers(trailers);
}
awaitable<void> break_off(ServerExchange& exchange) {
  ResponseHead head;
  head.status = 200;
  head.length = BodyLength::streamed();
  co_await exchange.send_head(head);
  co_await exchange.send_body("part", End::more);
  exchange.abort();
}
/// Answers with what it was asked.
awaitable<void> describe(ServerExchange& exchange) {
  const RequestHead& request = exchange.request();
  std::string body = std::string(request.method) + " " + std::string(request.path) + " " +
                     request.host + ":" + std::to_string(request.port);
  for (const Field& line : request.fields) {
    body += "|" + std::string(line.name) + "=" + std::string(line.value);
  }
  ResponseHead head;
  head.status = 200;
  head.length = BodyLength::counted(body.size());
  co_await exchange.send_head(head);
  co_await exchange.send_body(body, End::last);
}
awaitable<void> echo_tunnel(ServerExchange& exchange) {
  ResponseHead head;
  head.status = 101;
  head.fields.add("sec-websocket-accept", "x");
  auto raw = co_await exchange.upgrade(head);
  if (!raw || raw->stream == nullptr) co_return;
  std::array<char, 256> room;
  for (;;) {
    auto got = co_await raw->stream->read_some(room);
    if (!got || *got == 0) break;
    const std::string_view bytes(room.data(), *got);
    auto put = co_await raw->stream->write(bytes);
    if (!put) co_return;
  }
  raw->stream->shutdown_write();
}

}  // namespace

TEST_CASE("an HTTP/2 request is answered with its own octets and lower-case names") {
  H2ServerBench bench(&hello);
  bench.begin();
  bench.send(h2::request(1, h2::ask("GET", "/")));
  CHECK(bench.exchanges == 1);
  CHECK(bench.reply(1).status() == 200);
  CHECK(bench.reply(1).field("x-mixed-case") == "kept");
  CHECK(bench.reply(1).field("content-length") == "5");
  CHECK_FALSE(bench.reply(1).field("date").empty());
  CHECK(bench.reply(1).body == "hello");
  CHECK(bench.reply(1).ended);
  CHECK(bench.connection->streams() == 0);
}

TEST_CASE("many requests at once leave in few writes") {
  H2ServerBench bench(&hello);
  bench.begin();
  const std::size_t before = bench.client->writes().size();
  std::string all;
  for (std::uint32_t id = 1; id < 100; id += 2) all += h2::request(id, h2::ask("GET", "/"));
  bench.send(all);
  CHECK(bench.exchanges == 50);
  for (std::uint32_t id = 1; id < 100; id += 2) CHECK(bench.reply(id).body == "hello");
  CHECK(bench.client->writes().size() - before <= 3);
}

TEST_CASE("requests in pieces of any size come out the same") {
  H2ServerBench bench(&echo_body);
  bench.client->at_most(1);
  bench.begin();
  bench.send(h2::request(1, h2::ask("POST", "/up"), false) + h2::body(1, "one ", false) +
             h2::body(1, "two", true));
  CHECK(bench.reply(1).status() == 200);
  CHECK(bench.reply(1).body == "one two");
}

TEST_CASE("interim answers, bodies and trailers keep their order") {
  H2ServerBench bench(&early_and_trailers);
  bench.begin();
  bench.send(h2::request(1, h2::ask("GET", "/")));
  auto& reply = bench.reply(1);
  REQUIRE(reply.blocks.size() == 3);
  CHECK(reply.field(":status", 0) == "103");
  CHECK(reply.field("link", 0) == "</a.css>");
  CHECK(reply.field(":status", 1) == "200");
  CHECK(reply.field("grpc-status", 2) == "0");
  CHECK(reply.body == "part");
  CHECK(reply.ended);
}

TEST_CASE("request trailers reach the road") {
  std::string seen;
  H2ServerBench bench([&](ServerExchange& exchange) -> awaitable<void> {
    for (;;) {
      auto piece = co_await exchange.read_body();
      if (!piece) co_return;
      if (piece->trailers) seen = piece->trailers->find("x-sum").value_or("none");
      if (piece->last) co_return;
    }
  });
  bench.begin();
  bench.send(h2::request(1, h2::ask("POST", "/"), false) + h2::body(1, "abc", false) +
             h2::request(1, {{"x-sum", "6"}}, true));
  CHECK(seen == "6");
}

TEST_CASE("a request that goes on as its head does not allow is broken off, and others go on") {
  const auto up = [](const h2::Pairs& more) {
    return h2::request(1, h2::ask("POST", "/", more), false);
  };
  const auto announced = [&](const char* bytes) { return up({{"content-length", bytes}}); };
  struct Row {
    std::string what;
    std::string octets;
  };
  const Row rows[] = {
      {"more than announced", announced("3") + h2::body(1, "abcd", true)},
      {"more, in two pieces", announced("3") + h2::body(1, "ab", false) + h2::body(1, "cd", false)},
      {"less than announced", announced("3") + h2::body(1, "ab", true)},
      {"less, and trailers",
       announced("3") + h2::body(1, "ab", false) + h2::request(1, {{"x", "y"}}, true)},
      {"nothing in the place of something", announced("3") + h2::body(1, "", true)},
      {"something in the place of nothing", announced("0") + h2::body(1, "a", true)},
      {"trailers that are not the end", up({}) + h2::request(1, {{"x", "y"}}, false)},
      {"pseudo-field in the trailers", up({}) + h2::request(1, {{":path", "/"}}, true)},
      {"line end in a trailer", up({}) + h2::request(1, {{"x", "a\r\nb"}}, true)},
      {"field of a connection in the trailers",
       up({}) + h2::request(1, {{"transfer-encoding", "chunked"}}, true)},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    bool whole = false;
    std::string fault;
    H2ServerBench bench([&](ServerExchange& exchange) -> awaitable<void> {
      while (!whole) {
        auto piece = co_await exchange.read_body();
        if (!piece) fault = name(piece.error().fault());
        if (!piece) co_return;
        whole = piece->last;
      }
      co_await hello(exchange);
    });
    bench.begin();
    bench.send(row.octets + h2::request(3, h2::ask("GET", "/")));
    CHECK(fault == name(Fault::bad_message));
    CHECK(bench.reply(1).reset == 1);  // PROTOCOL_ERROR
    CHECK(bench.reply(3).body == "hello");
  }
}

TEST_CASE("a body whose trailers are refused is not a whole one") {
  std::string fault;
  H2ServerBench bench([&](ServerExchange& exchange) -> awaitable<void> {
    auto piece = co_await exchange.read_body();
    if (!piece) fault = name(piece.error().fault());
  });
  h2::Pairs many;
  for (int i = 0; i < 200; ++i) many.emplace_back("a", "b");
  bench.begin();
  bench.send(h2::request(1, h2::ask("POST", "/"), false) + h2::request(1, many, true));
  CHECK(fault == name(Fault::limit));
  CHECK(bench.reply(1).reset == 11);  // ENHANCE_YOUR_CALM
}

TEST_CASE("a body of the announced length is whole, in whatever pieces it comes") {
  H2ServerBench bench(&echo_body);
  bench.begin();
  const h2::Pairs head = h2::ask("POST", "/", {{"content-length", "3"}});
  bench.send(h2::request(1, head, false) + h2::body(1, "ab", false) + h2::body(1, "c", false) +
             h2::body(1, "", true));
  CHECK(bench.reply(1).body == "abc");
  bench.send(h2::request(3, head, false) + h2::body(3, "abc", false) +
             h2::request(3, {{"x", "y"}}, true));
  CHECK(bench.reply(3).body == "abc");
}

TEST_CASE("answers without a body end with their head") {
  SUBCASE("204") {
    H2ServerBench bench(&no_content);
    bench.begin();
    bench.send(h2::request(1, h2::ask("GET", "/")));
    CHECK(bench.reply(1).ended);
    CHECK(bench.reply(1).field("content-length").empty());
    CHECK(bench.seen.count(h2::data) == 0);
  }
  SUBCASE("HEAD") {
    H2ServerBench bench(&hello);
    bench.begin();
    bench.send(h2::request(1, h2::ask("HEAD", "/")));
    CHECK(bench.reply(1).ended);
    CHECK(bench.reply(1).field("content-length") == "5");
    CHECK(bench.seen.count(h2::data) == 0);
  }
}

TEST_CASE("cookie crumbs are one cookie again and the authority is the host") {
  H2ServerBench bench(&describe);
  bench.begin();
  bench.send(
      h2::request(1, h2::ask("GET", "/p", {{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}})));
  CHECK(bench.reply(1).body == "GET /p a.example:0|x=y|cookie=a=1; b=2");
}

TEST_CASE("an aborted answer is seen as broken") {
  H2ServerBench bench(&break_off);
  bench.begin();
  bench.send(h2::request(1, h2::ask("GET", "/")));
  CHECK(bench.reply(1).body == "part");
  CHECK_FALSE(bench.reply(1).ended);
  CHECK(bench.reply(1).reset == 2);  // INTERNAL_ERROR
}

TEST_CASE("an early answer stands while the rest of the request is called off") {
  H2ServerBench bench(&hello);
  bench.begin();
  bench.send(h2::request(1, h2::ask("POST", "/"), false));
  CHECK(bench.reply(1).body == "hello");
  CHECK(bench.reply(1).ended);
  CHECK(bench.reply(1).reset == 0);
}

TEST_CASE("a client that waits for 100 gets it when its body is read") {
  H2ServerBench bench(&echo_body);
  bench.begin();
  bench.send(h2::request(1, h2::ask("POST", "/", {{"expect", "100-continue"}}), false));
  CHECK(bench.reply(1).status() == 100);
  bench.send(h2::body(1, "now", true));
  CHECK(bench.reply(1).status() == 200);
  CHECK(bench.reply(1).body == "now");
}

TEST_CASE("a body slower than the least rate times out, one that waits for its reader does not") {
  H2ServerSettings settings;
  settings.min_rate = 100;
  H2ServerBench bench(&echo_body, settings);
  bench.begin();
  bench.send(h2::request(1, h2::ask("POST", "/"), false));
  bench.send(h2::request(3, h2::ask("POST", "/"), false));
  for (int second = 0; second < 70; second += 10) {
    bench.send(h2::body(1, "drip", false) + h2::body(3, std::string(1500, 'a'), false));
    bench.advance(10s);
  }
  CHECK(bench.reply(1).status() == 408);
  CHECK(bench.reply(3).status() == 0);
  bench.send(h2::body(3, "", true));
  CHECK(bench.reply(3).status() == 200);
}

TEST_CASE("more than the window is a flow-control error") {
  H2ServerSettings settings;
  settings.stream_window = 1000;
  H2ServerBench bench(&hang, settings);
  bench.begin();
  bench.send(h2::request(1, h2::ask("POST", "/"), false) +
             h2::body(1, std::string(1001, 'a'), false));
  CHECK(bench.reply(1).reset == 3);
}

TEST_CASE("a body over the limit fails with a limit") {
  H2ServerSettings settings;
  settings.body_bytes = 4;
  H2ServerBench bench(&echo_body, settings);
  bench.begin();
  bench.send(h2::request(1, h2::ask("POST", "/"), false) + h2::body(1, "12345", true));
  CHECK(bench.reply(1).status() == 413);
}

TEST_CASE("a body that stops coming times out") {
  H2ServerBench bench(&echo_body);
  bench.begin();
  bench.send(h2::request(1, h2::ask("POST", "/"), false) + h2::body(1, "12", false));
  bench.advance(61s);
  CHECK(bench.reply(1).status() == 408);
}

TEST_CASE("a call of gRPC may be silent for as long as it likes") {
  H2ServerSettings settings;
  settings.min_rate = 100;
  H2ServerBench bench(&echo_body, settings);
  bench.begin();
  bench.send(
      h2::request(1,
                  h2::ask("POST", "/", {{"content-type", "application/grpc"}, {"te", "trailers"}}),
                  false) +
      h2::body(1, "12", false));
  bench.advance(300s);
  CHECK(bench.reply(1).status() == 0);
  bench.send(h2::body(1, "34", true));
  CHECK(bench.reply(1).status() == 200);
  CHECK(bench.reply(1).body == "1234");
}

TEST_CASE("a cancelled stream is told to its exchange, and others go on") {
  std::string fault;
  H2ServerBench bench([&](ServerExchange& exchange) -> awaitable<void> {
    if (exchange.request().path == "/other") {
      co_await hello(exchange);
      co_return;
    }
    auto piece = co_await exchange.read_body();
    if (!piece) fault = name(piece.error().fault());
    CHECK(exchange.client_gone());
  });
  bench.begin();
  bench.send(h2::request(1, h2::ask("POST", "/"), false));
  bench.send(h2::reset(1, 8) + h2::request(3, h2::ask("GET", "/other")));
  CHECK(fault == name(Fault::closed));
  CHECK(bench.reply(3).body == "hello");
}

TEST_CASE("an exchange that outlives its connection fails as closed") {
  std::unique_ptr<ServerExchange> kept;
  struct Keep final : H2Road {
    explicit Keep(std::unique_ptr<ServerExchange>& to) : into(to) {}
    void request(std::unique_ptr<ServerExchange> exchange) override { into = std::move(exchange); }
    void refused(const Refusal&) override {}
    std::unique_ptr<ServerExchange>& into;
  } road(kept);
  H2Bench bench;
  auto client = std::make_shared<Script>();
  auto stream = std::make_unique<ScriptedStream>(client, bench.clock);
  auto connection =
      std::make_unique<H2ServerConnection>(*stream, bench.worker(), H2ServerSettings(), road);
  client->send(h2::hello() + h2::request(1, h2::ask("POST", "/"), false));
  client->end();
  bench.crew.add(connection->run());
  bench.settle();
  connection.reset();
  stream.reset();
  REQUIRE(kept);
  CHECK(kept->client_gone());
  Error error;
  const auto read = [](ServerExchange& exchange, Error& into) -> awaitable<void> {
    auto piece = co_await exchange.read_body();
    if (!piece) into = piece.error();
  };
  bench.crew.add(read(*kept, error));
  bench.settle();
  CHECK(error.fault() == Fault::closed);
  kept.reset();
}

TEST_CASE("a WebSocket over HTTP/2 is a tunnel both ways") {
  H2ServerBench bench(&echo_tunnel);
  bench.begin();
  h2::Pairs fields = h2::ask("CONNECT", "/ws", {{"sec-websocket-version", "13"}});
  fields.insert(fields.begin() + 1, {":protocol", "websocket"});
  bench.send(h2::request(1, fields, false));
  CHECK(bench.reply(1).status() == 200);
  CHECK(bench.reply(1).field("sec-websocket-accept").empty());
  bench.send(h2::body(1, "ping", false));
  CHECK(bench.reply(1).body == "ping");
  bench.send(h2::body(1, "", true));
  CHECK(bench.reply(1).ended);
  CHECK(bench.reply(1).reset == -1);
}

TEST_CASE("SETTINGS announce what this server takes") {
  H2ServerBench bench(&hello);
  bench.begin();
  REQUIRE_FALSE(bench.seen.frames().empty());
  const h2::Frame& first = bench.seen.frames().front();
  CHECK(first.type == h2::settings);
  CHECK(first.payload.find(h2::setting(3, 250)) != std::string::npos);
  CHECK(first.payload.find(h2::setting(8, 1)) != std::string::npos);
  CHECK(first.payload.find(h2::setting(9, 1)) != std::string::npos);
}

TEST_CASE("a drain says goodbye twice and answers what was on its way") {
  H2ServerBench bench(&echo_body);
  bench.begin();
  bench.send(h2::request(1, h2::ask("POST", "/"), false));
  bench.connection->drain();
  bench.settle();
  CHECK(bench.seen.goaway_last() == 0x7fffffff);
  CHECK(bench.seen.count(h2::ping) == 1);
  bench.send(h2::request(3, h2::ask("POST", "/"), false));
  SUBCASE("when the client answers the ping") {
    bench.send(h2::frame(h2::ping, h2::ack, 0, std::string(8, '\0')));
  }
  SUBCASE("when it does not") { bench.advance(1500ms); }
  CHECK(bench.seen.goaway_last() == 3);
  CHECK(bench.seen.goaway_code() == 0);
  bench.send(h2::body(1, "a", true) + h2::body(3, "b", true));
  CHECK(bench.reply(1).body == "a");
  CHECK(bench.reply(3).body == "b");
  bench.client->end();
  bench.settle();
  CHECK(bench.over);
}

TEST_CASE("an idle connection ends with a GOAWAY") {
  H2ServerBench bench(&hello);
  bench.begin();
  bench.advance(74s);
  CHECK(bench.seen.goaway_code() == -1);
  bench.advance(2s);
  CHECK(bench.seen.goaway_code() == 0);
  bench.advance(3s);
  CHECK(bench.over);
}

TEST_CASE("a header block that does not end in time ends the connection") {
  H2ServerBench bench(&hello);
  bench.begin();
  bench.send(h2::frame(h2::headers, h2::end_stream, 1, h2::block(h2::ask("GET", "/"))));
  bench.advance(14s);
  CHECK(bench.seen.goaway_code() == -1);
  bench.advance(2s);
  CHECK(bench.seen.goaway_code() == 11);
}

TEST_CASE("SETTINGS that are never acknowledged end the connection") {
  H2ServerBench bench(&hang);
  bench.send(h2::hello() + h2::request(1, h2::ask("GET", "/")));
  bench.advance(16s);
  CHECK(bench.seen.goaway_code() == 4);
}

TEST_CASE("wherever the client's connection breaks, nothing hangs and nothing leaks") {
  const std::string dialogue = h2::hello() + h2::frame(h2::settings, h2::ack, 0) +
                               h2::request(1, h2::ask("POST", "/"), false) +
                               h2::body(1, "abc", true);
  for (std::size_t at = 0; at <= dialogue.size(); ++at) {
    H2ServerBench bench(&echo_body);
    bench.client->cut_reads_after(at);
    bench.send(dialogue);
    if (at < dialogue.size()) CHECK(bench.over);
  }
  H2ServerBench whole(&echo_body);
  whole.send(dialogue);
  REQUIRE(whole.reply(1).ended);
  for (std::size_t at = 0; at < whole.client->written().size(); ++at) {
    H2ServerBench bench(&echo_body);
    bench.client->cut_writes_after(at);
    bench.send(dialogue);
    CHECK(bench.over);
  }
}

}  // namespace h2_server_test
