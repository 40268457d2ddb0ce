#include <doctest/doctest.h>

#include "core/http/h2_client.hpp"
#include "tests/core/http/bench.hpp"
#include "tests/core/http/h2_bench.hpp"

namespace h2_client_test {

using namespace gatehouse;
using namespace gatehouse::http;
using namespace gatehouse::test;

namespace {

/// What became of one exchange.
struct Outcome {
  int status = 0;
  std::string body;
  std::string trailer;
  std::vector<int> heads;
  Error error;
  bool done = false;
};

RequestHead get() {
  RequestHead head;
  head.method = "GET";
  head.path = "/";
  head.authority = "b.example";
  return head;
}

awaitable<void> ask(std::unique_ptr<ClientExchange> exchange, RequestHead head, std::string body,
                    Outcome& into) {
  auto sent = co_await exchange->send_head(head);
  if (sent && head.length.kind != BodyLength::Kind::none) {
    sent = co_await exchange->send_body(body, End::last);
  }
  if (!sent) into.error = sent.error();
  while (sent && into.status < 200) {
    auto read = co_await exchange->read_head();
    if (!read) {
      into.error = read.error();
      break;
    }
    into.status = (*read)->status;
    into.heads.push_back(into.status);
  }
  while (into.status >= 200) {
    auto piece = co_await exchange->read_body();
    if (!piece) {
      into.error = piece.error();
      break;
    }
    into.body += piece->bytes;
    if (piece->trailers) into.trailer = piece->trailers->find("x-end").value_or("");
    if (piece->last) break;
  }
  into.done = true;
}

struct ClientBench : H2Bench {
  explicit ClientBench(H2ClientSettings settings = {}) : server(std::make_shared<Script>()) {
    connection = std::make_unique<H2ClientConnection>(
        std::make_unique<ScriptedStream>(server, clock, Side::server), worker(), settings);
    server->on_write([this](std::string_view bytes) { seen.read(bytes); });
    crew.add(connection->run());
    settle();
  }
  ~ClientBench() {
    crew.stop();
    settle();
  }
  void greet(std::string_view settings = {}) {
    send(h2::frame(h2::settings, h2::none, 0, settings) + h2::frame(h2::settings, h2::ack, 0));
  }
  void send(std::string_view bytes) {
    server->send(bytes);
    settle();
  }
  /// `into` outlives the bench.
  void start(Outcome& into, RequestHead head = get(), std::string body = {}) {
    auto exchange = connection->begin();
    REQUIRE(exchange);
    crew.add(ask(std::move(exchange), std::move(head), std::move(body), into));
    settle();
  }
  static std::string answer(std::uint32_t id, std::string_view body) {
    return h2::request(id, {{":status", "200"}}, false) + h2::body(id, body, true);
  }

  std::shared_ptr<Script> server;
  h2::Reader seen;
  std::unique_ptr<H2ClientConnection> connection;
};

}  // namespace

TEST_CASE("exchanges share one HTTP/2 connection and are answered in any order") {
  Outcome one, two;
  ClientBench bench;
  bench.greet();
  bench.start(one);
  bench.start(two);
  CHECK(bench.seen.stream(1).field(":method") == "GET");
  CHECK(bench.seen.stream(1).field(":scheme") == "http");
  CHECK(bench.seen.stream(1).field(":authority") == "b.example");
  CHECK(bench.seen.stream(1).ended);
  bench.send(ClientBench::answer(3, "second"));
  CHECK(two.body == "second");
  CHECK_FALSE(one.done);
  bench.send(ClientBench::answer(1, "first"));
  CHECK(one.body == "first");
  CHECK(one.status == 200);
  CHECK(bench.connection->streams_open() == 0);
  CHECK(bench.connection->open());
}

TEST_CASE("interim heads come one by one and trailers with the end") {
  Outcome out;
  ClientBench bench;
  bench.greet();
  bench.start(out);
  bench.send(h2::request(1, {{":status", "103"}, {"link", "</a>"}}, false) +
             h2::request(1, {{":status", "200"}}, false) + h2::body(1, "x", false) +
             h2::request(1, {{"x-end", "yes"}}, true));
  CHECK(out.heads == std::vector<int>{103, 200});
  CHECK(out.body == "x");
  CHECK(out.trailer == "yes");
}

TEST_CASE("a request's body goes as far as the server's window") {
  Outcome out;
  ClientBench bench;
  bench.greet(h2::setting(4, 10));
  RequestHead head = get();
  head.method = "POST";
  head.length = BodyLength::counted(25);
  bench.start(out, std::move(head), std::string(25, 'u'));
  CHECK(bench.seen.stream(1).field("content-length") == "25");
  CHECK(bench.seen.stream(1).body.size() == 10);
  bench.send(h2::grow(1, 100));
  CHECK(bench.seen.stream(1).body.size() == 25);
  CHECK(bench.seen.stream(1).ended);
  bench.send(ClientBench::answer(1, "ok"));
  CHECK(out.body == "ok");
}

TEST_CASE("no more exchanges than the server allows") {
  Outcome one, two;
  ClientBench bench;
  bench.greet(h2::setting(3, 2));
  bench.start(one);
  bench.start(two);
  CHECK_FALSE(bench.connection->has_room());
  CHECK(bench.connection->begin() == nullptr);
  bench.send(ClientBench::answer(1, ""));
  CHECK(bench.connection->has_room());
}

TEST_CASE("what the server did not process can be told from what it may have") {
  Outcome one, two;
  ClientBench bench;
  bench.greet();
  bench.start(one);
  bench.start(two);
  SUBCASE("past its GOAWAY") {
    bench.send(h2::frame(h2::goaway, h2::none, 0, h2::number(1) + h2::number(0)));
    CHECK(two.error.fault() == Fault::refused);
    CHECK_FALSE(one.done);
    CHECK_FALSE(bench.connection->open());
    CHECK(bench.connection->begin() == nullptr);
    bench.send(ClientBench::answer(1, "still"));
    CHECK(one.body == "still");
  }
  SUBCASE("refused") {
    bench.send(h2::reset(3, 7));
    CHECK(two.error.fault() == Fault::refused);
    CHECK(two.error.side() == Side::server);
    CHECK(bench.connection->open());
  }
  SUBCASE("reset") {
    bench.send(h2::reset(3, 2));
    CHECK(two.error.fault() == Fault::closed);
  }
  SUBCASE("cut off") {
    bench.server->cut();
    bench.settle();
    CHECK(one.error.fault() == Fault::closed);
    CHECK(two.error.fault() == Fault::closed);
    CHECK_FALSE(bench.connection->open());
  }
}

TEST_CASE("a malformed answer is the server's fault") {
  Outcome out;
  ClientBench bench;
  bench.greet();
  bench.start(out);
  SUBCASE("no status") { bench.send(h2::request(1, {{"x", "y"}}, true)); }
  SUBCASE("101") { bench.send(h2::request(1, {{":status", "101"}}, false)); }
  SUBCASE("connection field") {
    bench.send(h2::request(1, {{":status", "200"}, {"connection", "close"}}, true));
  }
  SUBCASE("less than its length") {
    bench.send(h2::request(1, {{":status", "200"}, {"content-length", "5"}}, false) +
               h2::body(1, "1234", true));
  }
  SUBCASE("interim answers without end") {
    for (int i = 0; i < 21; ++i) bench.send(h2::request(1, {{":status", "103"}}, false));
  }
  CHECK(out.done);
  CHECK(out.error.side() == Side::server);
  CHECK(out.error.fault() == Fault::bad_message);
}

TEST_CASE("an abandoned exchange is cancelled at the server") {
  ClientBench bench;
  bench.greet();
  auto exchange = bench.connection->begin();
  const auto begin = [](ClientExchange& with) -> awaitable<void> {
    const RequestHead head = get();
    co_await with.send_head(head);
  };
  bench.crew.add(begin(*exchange));
  bench.settle();
  exchange.reset();
  bench.settle();
  CHECK(bench.seen.stream(1).reset == 8);
  CHECK(bench.connection->streams_open() == 0);
}

TEST_CASE("an exchange has deadlines of its own") {
  Outcome out;
  ClientBench bench;
  bench.greet();
  auto exchange = bench.connection->begin();
  exchange->deadline(Want::read, bench.clock.steady() + 5s);
  bench.crew.add(ask(std::move(exchange), get(), {}, out));
  bench.settle();
  bench.advance(6s);
  CHECK(out.error.fault() == Fault::timeout);
  CHECK(bench.connection->open());
}

TEST_CASE("a server that went away without a word is found by a ping") {
  Outcome out;
  ClientBench bench;
  bench.greet();
  bench.start(out);
  bench.advance(31s);
  CHECK(bench.seen.count(h2::ping) == 1);
  SUBCASE("it answers") {
    bench.send(h2::frame(h2::ping, h2::ack, 0, std::string(8, '\0')));
    bench.advance(16s);
    CHECK(bench.connection->open());
    CHECK_FALSE(out.done);
  }
  SUBCASE("it does not") {
    bench.advance(16s);
    CHECK_FALSE(bench.connection->open());
    CHECK(out.error.fault() == Fault::closed);
  }
}

TEST_CASE("a WebSocket is asked for by extended CONNECT and looks like 101") {
  ClientBench bench;
  RequestHead head = get();
  head.websocket = true;
  head.fields.add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  head.fields.add("Sec-WebSocket-Version", "13");
  int status = 0;
  std::string accept, echoed;
  Error error;
  const auto talk = [](std::unique_ptr<ClientExchange> exchange, const RequestHead& head_to_send,
                       int& saw, std::string& proof, std::string& came,
                       Error& failed) -> awaitable<void> {
    auto sent = co_await exchange->send_head(head_to_send);
    if (!sent) {
      failed = sent.error();
      co_return;
    }
    auto answered = co_await exchange->read_head();
    if (!answered) co_return;
    saw = (*answered)->status;
    proof = (*answered)->fields.find("sec-websocket-accept").value_or("");
    ServerExchange::Raw raw = exchange->raw();
    if (raw.stream == nullptr) co_return;
    co_await raw.stream->write("hi");
    std::array<char, 16> room;
    auto got = co_await raw.stream->read_some(room);
    if (got) came.assign(room.data(), *got);
  };
  SUBCASE("where the server takes it") {
    bench.greet(h2::setting(8, 1));
    bench.crew.add(talk(bench.connection->begin(), head, status, accept, echoed, error));
    bench.settle();
    CHECK(bench.seen.stream(1).field(":method") == "CONNECT");
    CHECK(bench.seen.stream(1).field(":protocol") == "websocket");
    CHECK(bench.seen.stream(1).field("sec-websocket-key").empty());
    bench.send(h2::request(1, {{":status", "200"}}, false));
    CHECK(status == 101);
    CHECK(accept == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    CHECK(bench.seen.stream(1).body == "hi");
    bench.send(h2::body(1, "ho", false));
    CHECK(echoed == "ho");
  }
  SUBCASE("not where it does not") {
    bench.greet();
    bench.crew.add(talk(bench.connection->begin(), head, status, accept, echoed, error));
    bench.settle();
    CHECK(error.fault() == Fault::denied);
  }
}

TEST_CASE("an exchange that was begun outlives its connection") {
  Outcome out;
  ClientBench bench;
  bench.greet();
  auto idle = bench.connection->begin();
  bench.server->cut();
  bench.settle();
  bench.connection.reset();
  bench.crew.add(ask(std::move(idle), get(), {}, out));
  bench.settle();
  CHECK(out.done);
  CHECK(out.error.fault() == Fault::closed);
}

}  // namespace h2_client_test
