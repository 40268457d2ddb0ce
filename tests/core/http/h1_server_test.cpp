#include <doctest/doctest.h>

#include "core/base/race.hpp"
#include "tests/core/http/bench.hpp"
#include "tests/support/onlooker.hpp"

namespace h1_server_test {

using namespace gatehouse;
using namespace gatehouse::http;
using namespace gatehouse::test;

namespace {

const std::string get = "GET /one HTTP/1.1\r\nHost: a.example\r\n\r\n";

std::string post(const std::string& body, const std::string& lines = "") {
  return "POST / HTTP/1.1\r\nHost: a.example\r\n" + lines +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string chunked_post(const std::string& chunks) {
  return "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks;
}

awaitable<void> answer(ServerExchange& exchange, int status, BodyLength length, std::string body) {
  ResponseHead head;
  head.status = status;
  head.length = length;
  co_await exchange.send_head(head);
  co_await exchange.send_body(body, End::last);
}
awaitable<void> ignore_body(ServerExchange& exchange) {
  co_await answer(exchange, 200, BodyLength::counted(2), "ok");
}
awaitable<void> stream_hello(ServerExchange& exchange) {
  co_await answer(exchange, 200, BodyLength::streamed(), "hello");
}
awaitable<void> no_content(ServerExchange& exchange) {
  co_await answer(exchange, 204, BodyLength::none(), "");
}
awaitable<void> not_modified(ServerExchange& exchange) {
  co_await answer(exchange, 304, BodyLength::counted(7), "");
}
awaitable<void> nothing_counted(ServerExchange& exchange) {
  co_await answer(exchange, 404, BodyLength::none(), "");
}
awaitable<void> hint(ServerExchange& exchange) {
  ResponseHead head;
  head.status = 103;
  co_await exchange.send_informational(head);
}
awaitable<void> hint_and_echo(ServerExchange& exchange) {
  auto hinting = hint(exchange);
  auto echoing = echo_body(exchange);
  co_await both(std::move(hinting), std::move(echoing));
}
awaitable<void> break_off(ServerExchange& exchange) {
  ResponseHead head;
  head.status = 200;
  head.length = BodyLength::streamed();
  co_await exchange.send_head(head);
  co_await exchange.send_body("part", End::more);
  exchange.abort();
}

}  // namespace

TEST_CASE("pipelined requests are answered in order on one connection") {
  ServerBench bench(&echo_target);
  const std::string text = bench.talk(get + "HEAD /two HTTP/1.1\r\nHost: a.example\r\n\r\n" +
                                      "DELETE /three HTTP/1.1\r\nHost: a.example\r\n\r\n");
  CHECK(bench.exchanges == 3);
  CHECK(occurrences(text, "HTTP/1.1 200 OK\r\n") == 3);
  CHECK(text.find("GET /one") < text.find("Content-Length: 9\r\n\r\nHTTP/1.1"));
  CHECK(text.ends_with("\r\n\r\nDELETE /three"));
  CHECK(bench.ended.fault() == Fault::none);
  CHECK(bench.over);
}

TEST_CASE("a client with many requests at hand lets others have their turn") {
  ServerBench bench(&echo_target);
  const Onlooker onlooker(bench.io, [&] { return static_cast<std::size_t>(bench.exchanges); });
  std::string all;
  for (int i = 0; i < 300; ++i) all += get;
  bench.talk(all);
  CHECK(bench.exchanges == 300);
  CHECK(onlooker.longest() <= 64);
}

TEST_CASE("a small answer leaves in one write") {
  ServerBench bench(&echo_target);
  bench.talk(get);
  CHECK(bench.client->writes().size() == 1);
}

TEST_CASE("requests come through wherever the network cuts them") {
  const std::string text = "\r\n\r\n" + chunked_post("3;x\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n") +
                           post("counted") + get;
  std::string whole;
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    CAPTURE(cut);
    ServerBench bench(&echo_body);
    bench.client->send(text.substr(0, cut));
    const std::string out = bench.talk(text.substr(cut));
    if (cut == 0) whole = out;
    CHECK(bench.exchanges == 3);
    CHECK(out == whole);
  }
  CHECK(whole.find("\r\n\r\n5\r\nabcde\r\n0\r\n\r\n") != std::string::npos);
  CHECK(whole.find("\r\n\r\n7\r\ncounted\r\n0\r\n\r\n") != std::string::npos);
}

TEST_CASE("a client that vanishes at any octet ends the connection with a fault or a clean end") {
  const std::string text = chunked_post("3\r\nabc\r\n0\r\n\r\n");
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    CAPTURE(cut);
    ServerBench bench(&echo_body);
    bench.client->cut_reads_after(cut);
    bench.client->send(text);
    bench.start();
    CHECK(bench.over);
    CHECK(bench.client->closed());
    const std::size_t head = text.find("\r\n\r\n") + 4;
    CHECK(bench.exchanges == (cut >= head ? 1 : 0));
    if (cut > 0 && cut < head) CHECK(bench.ended.fault() == Fault::closed);
  }
}

TEST_CASE("a client that stops taking octets anywhere ends the connection") {
  ServerBench whole(&echo_target);
  const std::size_t size = whole.talk(get).size();
  for (std::size_t cut = 0; cut < size; ++cut) {
    CAPTURE(cut);
    ServerBench bench(&echo_target);
    bench.client->cut_writes_after(cut);
    bench.talk(get + get);
    CHECK(bench.over);
    CHECK(bench.client->closed());
    CHECK(bench.exchanges == 1);
  }
}

TEST_CASE("a chunked body with faulty framing is told to the road, and nothing after it is read") {
  for (const std::string chunks : {"3 \r\nabc\r\n0\r\n\r\n", "0x3\r\nabc\r\n0\r\n\r\n",
                                   "3\nabc\r\n0\r\n\r\n", "3\r\nabcXX0\r\n\r\n"}) {
    CAPTURE(chunks);
    ServerBench bench(&echo_body);
    const std::string text = bench.talk(chunked_post(chunks) + get);
    CHECK(status_of(text) == 400);
    CHECK(occurrences(text, "HTTP/1.1 ") == 1);
    CHECK(text.find("Connection: close") != std::string::npos);
    CHECK(bench.exchanges == 1);
  }
}

TEST_CASE(
    "HTTP/1.0 gets no chunks, and keeps its connection only when it asked and the end is told") {
  const std::string keep = "GET /one HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
  SUBCASE("without asking") {
    ServerBench bench(&echo_target);
    const std::string text = bench.talk("GET /one HTTP/1.0\r\n\r\n" + keep);
    CHECK(bench.exchanges == 1);
    CHECK(text.find("Connection: close\r\n") != std::string::npos);
  }
  SUBCASE("asked and counted") {
    ServerBench bench(&echo_target);
    const std::string text = bench.talk(keep + keep);
    CHECK(bench.exchanges == 2);
    CHECK(occurrences(text, "Connection: keep-alive\r\n") == 2);
  }
  SUBCASE("asked, but only the end of the connection can end the body") {
    ServerBench bench(&stream_hello);
    const std::string text = bench.talk(keep + keep);
    CHECK(bench.exchanges == 1);
    CHECK(text.ends_with("\r\nConnection: close\r\n\r\nhello"));
    CHECK(text.find("Transfer-Encoding") == std::string::npos);
  }
}

TEST_CASE("answers without body have none, whatever their length says") {
  struct Row {
    std::string name, method;
    ServerBench::Road road;
    std::string tail;
  };
  const std::string date = "\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n";
  const std::vector<Row> rows = {
      {"HEAD, counted", "HEAD", &ignore_body, date + "Content-Length: 2\r\n\r\n"},
      {"HEAD, streamed", "HEAD", &stream_hello, date + "\r\n"},
      {"204", "GET", &no_content, "204 No Content" + date + "\r\n"},
      {"304 with a length", "GET", &not_modified,
       "304 Not Modified" + date + "Content-Length: 7\r\n\r\n"},
      {"no body", "GET", &nothing_counted, date + "Content-Length: 0\r\n\r\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    ServerBench bench(row.road);
    const std::string request = row.method + " / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    const std::string text = bench.talk(request + request);
    CHECK(text.ends_with(row.tail));
    CHECK(bench.exchanges == 2);
  }
}

TEST_CASE("an answer broken off has no last chunk and closes the connection") {
  ServerBench bench(&break_off);
  const std::string text = bench.talk(get + get);
  CHECK(text.ends_with("\r\n4\r\npart\r\n"));
  CHECK(bench.exchanges == 1);
  CHECK(bench.client->closed());
}

TEST_CASE("a large body passes both ways in pieces, unchanged") {
  std::string body;
  for (int i = 0; body.size() < 200'000; ++i) body += std::to_string(i) + ",";
  ServerBench bench(&echo_body);
  bench.client->at_most(1000, 777);
  const std::string text = bench.talk(post(body));
  // Undone by the decoder, which is tested on its own.
  const std::size_t begin = text.find("\r\n\r\n") + 4;
  ChunkedDecoder decoder;
  std::string got;
  std::string_view rest = std::string_view(text).substr(begin);
  while (!rest.empty() && !decoder.done() && decoder.failure().empty()) {
    const auto step = decoder.decode(rest);
    got += step.data;
    rest.remove_prefix(step.consumed);
  }
  CHECK(decoder.done());
  CHECK(got == body);
}

TEST_CASE("100 Continue is sent when the body is wanted, and only then") {
  const std::string head =
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
  SUBCASE("wanted") {
    ServerBench bench(&echo_body);
    bench.start();
    bench.send(head);
    CHECK(bench.client->take_written() == "HTTP/1.1 100 Continue\r\n\r\n");
    bench.send("abc");
    CHECK(status_of(bench.client->take_written()) == 200);
    bench.send(get);
    CHECK(bench.exchanges == 2);
  }
  SUBCASE("not wanted: the connection ends, because what comes next is unknown") {
    ServerBench bench(&ignore_body);
    bench.start();
    bench.send(head);
    const std::string text = bench.client->take_written();
    CHECK(status_of(text) == 200);
    CHECK(text.find("Connection: close\r\n") != std::string::npos);
    CHECK(bench.client->write_ended());
  }
  SUBCASE("the body is already there") {
    ServerBench bench(&echo_body);
    const std::string text = bench.talk(head + "abc");
    CHECK(status_of(text) == 200);
  }
}

TEST_CASE("100 Continue waits for nothing that an answer may have to wait for") {
  const std::string head =
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
  SUBCASE("an interim answer on its way takes it along") {
    ServerBench bench(&hint_and_echo);
    bench.client->take(10);
    bench.start();
    bench.send(head);
    CHECK(bench.client->take_written() == "HTTP/1.1 1");
    bench.client->take(Script::no_limit);
    bench.settle();
    CHECK(bench.client->take_written() == "03 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
    bench.send("abc");
    CHECK(status_of(bench.client->take_written()) == 200);
  }
  SUBCASE("a client that takes nothing is let go") {
    ServerBench bench(&echo_body);
    bench.client->take(5);
    bench.start();
    bench.send(head);
    CHECK(bench.client->closed());
    CHECK(bench.over);
    CHECK(bench.client->written() == "HTTP/");
  }
}

TEST_CASE("a body nobody read is read away when it is small, else the connection ends") {
  SUBCASE("small") {
    ServerBench bench(&ignore_body);
    bench.talk(post(std::string(100'000, 'x')) + get);
    CHECK(bench.exchanges == 2);
  }
  SUBCASE("large by its announcement") {
    ServerBench bench(&ignore_body);
    const std::string text = bench.talk(post(std::string(300'000, 'x')) + get);
    CHECK(bench.exchanges == 1);
    CHECK(text.find("Connection: close\r\n") != std::string::npos);
  }
  SUBCASE("large without announcement") {
    ServerBench bench(&ignore_body);
    std::string chunks;
    for (int i = 0; i < 30; ++i) chunks += "4000\r\n" + std::string(0x4000, 'x') + "\r\n";
    bench.talk(chunked_post(chunks + "0\r\n\r\n") + get);
    CHECK(bench.exchanges == 1);
    CHECK(bench.client->closed());
  }
}

TEST_CASE("a body nobody read is waited for only briefly") {
  ServerBench bench(&ignore_body);
  bench.start();
  bench.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx");
  CHECK(status_of(bench.client->written()) == 200);
  CHECK_FALSE(bench.client->write_ended());
  bench.advance(3s);
  CHECK(bench.client->write_ended());
  bench.advance(3s);
  CHECK(bench.client->closed());
  CHECK(bench.over);
}

TEST_CASE("a closing connection ends its side first and reads on until the client ends") {
  ServerBench bench(&echo_target);
  bench.start();
  bench.send("GET /one HTTP/1.1\r\nHost: a\r\nConnection: close, keep-alive\r\n\r\n");
  CHECK(bench.client->write_ended());
  CHECK_FALSE(bench.client->closed());
  bench.send(std::string(1000, 'x'));
  CHECK_FALSE(bench.client->closed());
  CHECK(bench.client->unread() == 0);
  SUBCASE("the client ends") {
    bench.client->end();
    bench.settle();
  }
  SUBCASE("the client goes on for too long") { bench.advance(3s); }
  SUBCASE("the client sends too much") { bench.send(std::string(300 * 1024, 'x')); }
  CHECK(bench.client->closed());
  CHECK(bench.over);
}

TEST_CASE("bodies over the limit are refused, announced or not") {
  H1ServerSettings settings;
  settings.body_bytes = 10;
  struct Row {
    std::string name, request;
    int status;
  };
  const std::vector<Row> rows = {
      {"announced, at the limit", post(std::string(10, 'x')), 200},
      {"announced, over it", post(std::string(11, 'x')), 413},
      {"chunked, at the limit", chunked_post("a\r\n0123456789\r\n0\r\n\r\n"), 200},
      {"chunked, over it", chunked_post("b\r\n0123456789a\r\n0\r\n\r\n"), 413},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    ServerBench bench(&echo_body, settings);
    CHECK(status_of(bench.talk(row.request)) == row.status);
  }
}

TEST_CASE("no block is held between requests, and all come back in the end") {
  ServerBench bench(&echo_body);
  bench.start();
  bench.send(post("abc"));
  CHECK(bench.exchanges == 1);
  // The pool makes a block only when none has come back.
  const auto first = bench.pool.take();
  const auto second = bench.pool.take();
  CHECK(first.bytes().data() != second.bytes().data());
  bench.send(post("abc"));
  CHECK(bench.exchanges == 2);
}

TEST_CASE("drain closes after the answer under way, an idle connection after a grace") {
  ServerBench bench(&echo_target);
  bench.start();
  bench.send(get);
  bench.client->take_written();
  bench.connection.drain();
  SUBCASE("idle") {
    bench.advance(900ms);
    CHECK_FALSE(bench.over);
    bench.advance(100ms);
    CHECK(bench.client->take_written().empty());
  }
  SUBCASE("a request in flight is still answered") {
    bench.advance(500ms);
    bench.send(get);
    CHECK(bench.client->take_written().find("Connection: close\r\n") != std::string::npos);
    bench.client->end();
    bench.settle();
  }
  CHECK(bench.over);
}

TEST_CASE("a connection ends after as many requests as it may carry") {
  H1ServerSettings settings;
  settings.requests = 2;
  ServerBench bench(&echo_target, settings);
  const std::string text = bench.talk(get + get + get);
  CHECK(bench.exchanges == 2);
  CHECK(occurrences(text, "Connection: close\r\n") == 1);
}

TEST_CASE("an upgrade that is not performed leaves an ordinary request and the next one") {
  ServerBench bench(&echo_target);
  const std::string text = bench.talk(
      "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
      "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" +
      get);
  CHECK(bench.exchanges == 2);
  CHECK(text.ends_with("GET /one"));
}

namespace {

std::string tunnelled;

awaitable<void> switch_protocols(ServerExchange& exchange) {
  ResponseHead head;
  head.status = 101;
  head.fields.add("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  const char* const path_before = exchange.request().path.data();
  const char* const field_before = exchange.request().fields.find("Upgrade")->data();
  auto raw = co_await exchange.upgrade(head);
  REQUIRE(raw.has_value());
  // Whoever looks at what it found in the head says itself when that may go.
  CHECK(exchange.request().path.data() == path_before);
  CHECK(exchange.request().fields.find("Upgrade")->data() == field_before);
  exchange.forget_head();
  CHECK(exchange.request().path.data() != path_before);
  CHECK(exchange.request().fields.empty());
  REQUIRE(raw->stream != nullptr);
  tunnelled = raw->early;
  CHECK(exchange.request().path == "/ws");
  co_await raw->stream->write("raw");
}

}  // namespace

TEST_CASE("a WebSocket upgrade hands over the stream and what was already read") {
  ServerBench bench(&switch_protocols);
  const std::string text = bench.talk(
      "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x01x");
  CHECK(text ==
        "HTTP/1.1 101 Switching Protocols\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\n\r\nraw");
  CHECK(tunnelled == "\x81\x01x");
  CHECK(bench.over);
}

TEST_CASE("a head larger than a block is read when the limit allows it") {
  H1ServerSettings settings;
  settings.head.header_bytes = 128 * 1024;
  ServerBench bench(&echo_body, settings);
  const std::string large = "X-Large: " + std::string(90 * 1024, 'x') + "\r\n";
  bench.client->at_most(5000);
  const std::string text = bench.talk(post("abc", large) + post("def", large));
  CHECK(bench.exchanges == 2);
  CHECK(text.find("\r\n3\r\nabc\r\n") != std::string::npos);
  CHECK(text.find("\r\n3\r\ndef\r\n") != std::string::npos);
}

TEST_CASE("a connection that begins with HTTP/2 is handed back, where that was asked for") {
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  H1ServerSettings settings;
  SUBCASE("asked for") {
    settings.may_be_h2 = true;
    ServerBench bench(&echo_target, settings);
    bench.client->send(preface + "more");
    bench.start();
    CHECK(bench.exchanges == 0);
    CHECK(bench.connection.take_preface() == preface + "more");
    CHECK(bench.client->written().empty());
  }
  SUBCASE("not asked for") {
    ServerBench bench(&echo_target, settings);
    CHECK(bench.talk(preface).starts_with("HTTP/1.1 "));
    CHECK(bench.connection.take_preface().empty());
  }
  SUBCASE("not as the first request") {
    settings.may_be_h2 = true;
    ServerBench bench(&echo_target, settings);
    const std::string text = bench.talk(get + preface);
    CHECK(occurrences(text, "HTTP/1.1 200 OK\r\n") == 1);
    CHECK(bench.connection.take_preface().empty());
  }
}

}  // namespace h1_server_test
