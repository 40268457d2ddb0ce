#include <utility>

#include "tests/proxy/forward/bench.hpp"

using namespace gatehouse;
using namespace gatehouse::test;

namespace {

const std::string get = "GET /a%2Fb?x=1&y=%20 HTTP/1.1\r\nHost: shop.example\r\n\r\n";
const std::string small_post =
    "POST /order HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello";
const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// One client, one server, and the steps that most tests share.
struct Pair {
  Bench bench;
  RawServer server;
  std::unique_ptr<RawSocket> client;

  Pair() {
    bench.serve_by({&server});
    client = bench.connect();
  }
  /// The `index`-th connection to the server, once it has come.
  RawSocket& at_server(std::size_t index = 0) {
    bench.until([&] { return server.connections.size() > index; });
    return *server.connections[index];
  }
  /// Waits for a whole request on that connection and takes it.
  std::string request(std::size_t index = 0) {
    RawSocket& connection = at_server(index);
    bench.until([&] { return whole_message(connection.received); });
    return std::exchange(connection.received, {});
  }
  std::string answer() {
    bench.until([&] { return whole_message(client->received); });
    return std::exchange(client->received, {});
  }
  std::string ask(const std::string& request_text, const std::string& answer_text,
                  std::size_t index = 0) {
    client->send(request_text);
    request(index);
    server.connections[index]->send(answer_text);
    return answer();
  }
};

std::string body_of(const std::string& message) {
  return message.substr(message.find("\r\n\r\n") + 4);
}

}  // namespace

TEST_CASE("a request reaches a server as it was, and the answer comes back") {
  Pair pair;
  pair.client->send(get);
  const std::string head = pair.request();
  CHECK(head.starts_with("GET /a%2Fb?x=1&y=%20 HTTP/1.1\r\nHost: shop.example\r\n"));
  CHECK(field_of(head, "X-Forwarded-For") == "127.0.0.1");
  CHECK(field_of(head, "X-Forwarded-Proto") == "http");
  CHECK(field_of(head, "X-Forwarded-Host") == "shop.example");
  CHECK(field_of(head, "Via") == "1.1 gatehouse");
  pair.at_server().send("HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nServer: theirs\r\n\r\nok");
  const std::string answer = pair.answer();
  CHECK(answer.starts_with("HTTP/1.1 200 Fine\r\n"));
  CHECK(field_of(answer, "Server") == "theirs");
  CHECK_FALSE(field_of(answer, "Date").empty());
  CHECK(body_of(answer) == "ok");
}

TEST_CASE("requests of one client go over one connection to the server") {
  Pair pair;
  for (int i = 0; i < 3; ++i) CHECK(body_of(pair.ask(get, ok)) == "ok");
  CHECK(body_of(pair.ask(small_post, ok)) == "ok");
  pair.bench.settle();
  CHECK(pair.server.connections.size() == 1);
  REQUIRE(pair.bench.outcomes.size() == 4);
  CHECK_FALSE(pair.bench.outcomes[0].reused);
  CHECK(pair.bench.outcomes[3].reused);
}

TEST_CASE("what belongs to one connection only does not cross over") {
  Pair pair;
  pair.client->send(
      "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: X-Forwarded-For, X-Drop, Upgrade\r\n"
      "X-Drop: 1\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\nKeep-Alive: 5\r\nX-Keep: 1\r\n\r\n");
  const std::string head = pair.request();
  CHECK(field_of(head, "X-Forwarded-For") == "127.0.0.1");
  CHECK(field_of(head, "X-Keep") == "1");
  for (const char* name : {"X-Drop", "Upgrade", "HTTP2-Settings", "Keep-Alive", "Connection"}) {
    CAPTURE(name);
    CHECK(field_of(head, name).empty());
  }
  pair.at_server().send(
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
      "X-Accel-Redirect: /x\r\nAlt-Svc: h3=\":443\"\r\nX-Stay: 1\r\n\r\n");
  const std::string answer = pair.answer();
  CHECK(field_of(answer, "X-Stay") == "1");
  for (const char* name : {"X-Hop", "X-Accel-Redirect", "Alt-Svc"}) {
    CAPTURE(name);
    CHECK(field_of(answer, name).empty());
  }
}

TEST_CASE("a request that comes round in a loop is answered 508") {
  Pair pair;
  pair.client->send(
      "GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 gatehouse, 1.1 gatehouse, 1.1 gatehouse\r\n"
      "Via: 1.1 gatehouse, 1.1 gatehouse\r\n\r\n");
  CHECK(pair.answer().starts_with("HTTP/1.1 508 "));
  CHECK(pair.server.connections.empty());
}

// --- failures before the answer

TEST_CASE("an idle connection that the server closed is not used again") {
  Pair pair;
  pair.ask(get, ok);
  pair.at_server(0).close();
  pair.bench.settle();
  CHECK(body_of(pair.ask(small_post, ok, 1)) == "ok");
  CHECK(pair.bench.outcomes[1].attempts == 1);
}

TEST_CASE("an idle connection on which the server spoke unasked is not used again") {
  Pair pair;
  pair.ask(get, ok);
  pair.at_server(0).send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
  pair.bench.settle();
  CHECK(pair.ask(get, ok, 1).starts_with("HTTP/1.1 200 "));
}

TEST_CASE("a GET on an idle connection that closes under it goes once more, on a new one") {
  for (const bool by_reset : {false, true}) {
    CAPTURE(by_reset);
    Pair pair;
    pair.ask(get, ok);
    pair.client->send(get);
    pair.request(0);
    if (by_reset) {
      pair.at_server(0).reset();
    } else {
      pair.at_server(0).close();
    }
    CHECK(pair.request(1).starts_with("GET "));
    pair.at_server(1).send(ok);
    CHECK(pair.answer().starts_with("HTTP/1.1 200 "));
    pair.bench.settle();
    CHECK(pair.bench.outcomes[1].attempts == 2);
  }
}

TEST_CASE("a GET whose idle connection and then a new one break is not sent a third time") {
  Pair pair;
  pair.ask(get, ok);
  pair.client->send(get);
  pair.request(0);
  pair.at_server(0).reset();
  pair.request(1);
  pair.at_server(1).reset();
  CHECK(pair.answer().starts_with("HTTP/1.1 502 "));
  pair.bench.settle();
  CHECK(pair.server.connections.size() == 2);
}

TEST_CASE("a small PUT is repeated with its body, a POST is never sent twice") {
  Pair pair;
  pair.ask(get, ok);
  SUBCASE("PUT") {
    pair.client->send("PUT /f HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    CHECK(body_of(pair.request(0)) == "hello");
    pair.at_server(0).reset();
    CHECK(body_of(pair.request(1)) == "hello");
    pair.at_server(1).send(ok);
    CHECK(pair.answer().starts_with("HTTP/1.1 200 "));
  }
  SUBCASE("POST") {
    pair.client->send(small_post);
    pair.request(0);
    pair.at_server(0).reset();
    CHECK(pair.answer().starts_with("HTTP/1.1 502 "));
    pair.bench.settle();
    CHECK(pair.server.connections.size() == 1);
  }
}

TEST_CASE("a new connection that breaks before an answer is a 502, and nobody else is asked") {
  Pair pair;
  pair.client->send(get);
  pair.request();
  SUBCASE("reset") { pair.at_server().reset(); }
  SUBCASE("closed") { pair.at_server().close(); }
  SUBCASE("closed inside the head") {
    pair.at_server().send("HTTP/1.1 200 OK\r\nContent-Le");
    pair.at_server().finish();
  }
  CHECK(pair.answer().starts_with("HTTP/1.1 502 "));
  pair.bench.settle();
  CHECK(pair.server.connections.size() == 1);
}

TEST_CASE("when a server refuses, the next one is asked, whatever the method") {
  Bench bench;
  RawServer dead;
  RawServer alive;
  bench.serve_by({&dead, &alive});
  dead.stop_listening();
  auto client = bench.connect();
  for (int i = 1; i <= 6; ++i) {
    client->send(small_post);
    bench.until([&] {
      return !alive.connections.empty() && whole_message(alive.connections[0]->received);
    });
    CHECK(alive.connections[0]->received.ends_with("hello"));
    alive.connections[0]->received.clear();
    alive.connections[0]->send(ok);
    bench.until([&] { return whole_message(client->received); });
    CHECK(client->received.starts_with("HTTP/1.1 200 "));
    client->received.clear();
  }
  bench.settle();
  unsigned attempts = 0;
  for (const auto& outcome : bench.outcomes) attempts += outcome.attempts;
  CHECK(attempts <= 7);  // the dead one was remembered
}

TEST_CASE("when every server refuses the client gets a 502, and its next request may follow") {
  Bench bench;
  RawServer one;
  RawServer other;
  bench.serve_by({&one, &other});
  one.stop_listening();
  other.stop_listening();
  auto client = bench.connect();
  client->send(get);
  client->send(get);
  bench.until([&] { return bench.outcomes.size() == 2; });
  CHECK(bench.outcomes[0].status == 502);
  CHECK(bench.outcomes[0].attempts == 2);
  CHECK(bench.outcomes[1].status == 502);
  CHECK(bench.outcomes[1].error.find("dial 127.0.0.1:") != std::string::npos);
}

TEST_CASE("a server that does not answer in time makes a 504") {
  Pair pair;
  pair.bench.backend.response_timeout = 2s;
  pair.bench.publish();
  pair.client->send(get);
  pair.request();
  pair.bench.advance(1900ms);
  CHECK(pair.client->received.empty());
  pair.bench.advance(300ms);
  CHECK(pair.answer().starts_with("HTTP/1.1 504 "));
  pair.bench.until([&] { return pair.at_server().ended(); });
}

TEST_CASE("an answer that breaks the protocol is a 502 and its connection is not used again") {
  struct Row {
    const char* name;
    std::string answer;
  };
  const std::vector<Row> rows = {
      {"two framings",
       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok"},
      {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"},
      {"unasked switch",
       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
       "Connection: Upgrade\r\n\r\n"},
      {"folded line", "HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n"},
      {"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"},
      {"status 99", "HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n"},
      {"status 1000", "HTTP/1.1 1000 High\r\nContent-Length: 0\r\n\r\n"},
      {"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n"},
      {"chunked from 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"endless head", "HTTP/1.1 200 OK\r\n" + std::string(600 * 1024, 'x')},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    Pair pair;
    pair.client->send(get);
    pair.request();
    pair.at_server().send(row.answer);
    CHECK(pair.answer().starts_with("HTTP/1.1 502 "));
    pair.bench.until([&] { return pair.at_server().ended(); });
    CHECK(pair.bench.pool()->idle() == 0);
  }
}

TEST_CASE("octets after an answer end the connection to the server, not the answer") {
  struct Row {
    const char* name;
    std::string answer;
    std::string_view start;
  };
  const std::vector<Row> rows = {
      {"more than counted", ok + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
       "HTTP/1.1 200 "},
      {"a body with 204", "HTTP/1.1 204 No Content\r\n\r\nsurprise", "HTTP/1.1 204 "},
      {"a length with 304 and octets", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\nabc",
       "HTTP/1.1 304 "},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    Pair pair;
    pair.client->send(get);
    pair.request();
    pair.at_server().send(row.answer);
    pair.bench.until([&] { return pair.at_server().ended(); });
    CHECK(pair.client->received.starts_with(row.start));
    CHECK(pair.client->received.find("evil") == std::string::npos);
    CHECK(pair.client->received.find("surprise") == std::string::npos);
    pair.client->received.clear();
    CHECK(pair.ask(get, ok, 1).starts_with("HTTP/1.1 200 "));
  }
}

TEST_CASE("304 and HEAD keep the length they announce and carry no body") {
  Pair pair;
  const std::string not_modified =
      pair.ask(get, "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n");
  CHECK(field_of(not_modified, "ETag") == "\"a\"");
  pair.client->send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  pair.bench.until([&] { return pair.at_server().received.ends_with("\r\n\r\n"); });
  pair.at_server().received.clear();
  pair.at_server().send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  pair.bench.until([&] { return pair.client->received.ends_with("\r\n\r\n"); });
  CHECK(field_of(pair.client->received, "Content-Length") == "1000");
  pair.client->received.clear();
  CHECK(pair.ask(get, ok).starts_with("HTTP/1.1 200 "));
  CHECK(pair.server.connections.size() == 1);
}

// --- answers cut short

TEST_CASE("a client sees that an answer was cut short") {
  Pair pair;
  pair.client->send(get);
  pair.request();
  RawSocket& server = pair.at_server();
  SUBCASE("counted") {
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
    server.finish();
    pair.bench.until([&] { return pair.client->ended(); });
    CHECK(body_of(pair.client->received).size() < 100);
  }
  SUBCASE("chunked") {
    server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n");
    server.finish();
    pair.bench.until([&] { return pair.client->ended(); });
    CHECK(pair.client->received.find("0\r\n\r\n") == std::string::npos);
  }
  SUBCASE("until close, by a RST") {
    server.send("HTTP/1.1 200 OK\r\n\r\nsome");
    pair.bench.until([&] { return pair.client->received.find("some") != std::string::npos; });
    server.reset();
    pair.bench.until([&] { return pair.client->ended(); });
    CHECK(pair.client->received.find("0\r\n\r\n") == std::string::npos);
  }
}

TEST_CASE("an answer until close is whole when the server ends properly") {
  Pair pair;
  SUBCASE("to HTTP/1.1 in chunks") {
    pair.client->send(get);
    pair.request();
    pair.at_server().send("HTTP/1.0 200 OK\r\n\r\nall of it");
    pair.at_server().finish();
    const std::string answer = pair.answer();
    CHECK(field_of(answer, "Transfer-Encoding") == "chunked");
    CHECK(answer.find("all of it") != std::string::npos);
    CHECK(pair.bench.pool()->idle() == 0);
  }
  SUBCASE("to HTTP/1.0 until close") {
    pair.client->send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    CHECK(pair.request().starts_with("GET / HTTP/1.1\r\n"));
    pair.at_server().send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nall of it"
        "\r\n0\r\n\r\n");
    pair.bench.until([&] { return pair.client->ended(); });
    CHECK(field_of(pair.client->received, "Transfer-Encoding").empty());
    CHECK(body_of(pair.client->received) == "all of it");
  }
}

TEST_CASE("an answer is passed on as it comes, head first") {
  Pair pair;
  pair.client->send(get);
  pair.request();
  pair.at_server().send(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
      "Content-Type: text/event-stream\r\n\r\n");
  pair.bench.until([&] { return pair.client->received.find("\r\n\r\n") != std::string::npos; });
  pair.at_server().send("9\r\ndata: 1\n\n\r\n");
  pair.bench.until([&] { return pair.client->received.find("data: 1") != std::string::npos; });
}

// --- back-pressure

TEST_CASE("a server is read no faster than its client takes the answer") {
  Pair pair;
  const std::size_t whole = 64 * 1024 * 1024;
  pair.client->stop_reading();
  pair.client->send(get);
  pair.request();
  RawSocket& server = pair.at_server();
  server.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(whole) + "\r\n\r\n" +
              std::string(whole, 'x'));
  pair.bench.settle();
  CHECK(server.sent() < whole / 2);  // what the kernel's buffers on the way hold
  pair.client->read_again();
  pair.bench.until([&] { return whole_message(pair.client->received); });
  CHECK(body_of(pair.client->received).size() == whole);
}

TEST_CASE("a client is read no faster than the server takes the request") {
  Pair pair;
  const std::size_t whole = 64 * 1024 * 1024;
  pair.client->send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(whole) +
                    "\r\n\r\n");
  RawSocket& server = pair.at_server();
  server.stop_reading();
  pair.client->send(std::string(whole, 'x'));
  pair.bench.settle();
  CHECK(pair.client->sent() < whole / 2);
  server.read_again();
  CHECK(body_of(pair.request()).size() == whole);
  server.send(ok);
  CHECK(pair.answer().starts_with("HTTP/1.1 200 "));
  pair.bench.settle();
  CHECK(pair.bench.pool()->idle() == 1);
}

TEST_CASE("a server that takes nothing of a request for too long makes a 504") {
  Pair pair;
  const std::size_t whole = 64 * 1024 * 1024;
  pair.client->send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(whole) +
                    "\r\n\r\n");
  pair.at_server().stop_reading();
  pair.client->send(std::string(whole, 'x'));
  pair.bench.settle();
  pair.bench.advance(61s);
  pair.bench.until([&] { return !pair.bench.outcomes.empty(); });
  CHECK(pair.bench.outcomes[0].status == 504);
}

// --- bodies

TEST_CASE("a body without a length goes on in chunks, with its trailers") {
  Pair pair;
  pair.client->send(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\n");
  RawSocket& server = pair.at_server();
  pair.bench.until([&] { return server.received.find("abc") != std::string::npos; });
  pair.client->send("2\r\nde\r\n0\r\nX-Sum: 7\r\nAuthorization: stolen\r\n\r\n");
  pair.bench.until([&] {
    return server.received.ends_with("\r\n\r\n") &&
           server.received.find("0\r\n", 60) != std::string::npos;
  });
  CHECK(field_of(server.received, "Transfer-Encoding") == "chunked");
  CHECK(field_of(server.received, "Content-Length").empty());
  CHECK(server.received.find("X-Sum: 7\r\n") != std::string::npos);
  CHECK(server.received.find("stolen") == std::string::npos);
  CHECK(server.received.find(";x=1") == std::string::npos);
  server.send(ok);
  CHECK(pair.answer().starts_with("HTTP/1.1 200 "));
}

TEST_CASE("trailers of an answer reach only clients that asked for them") {
  Pair pair;
  const std::string trailed =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n"
      "Set-Cookie: a=b\r\n\r\n";
  SUBCASE("asked") {
    pair.client->send("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
    CHECK(field_of(pair.request(), "TE") == "trailers");
    pair.at_server().send(trailed);
    const std::string answer = pair.answer();
    CHECK(answer.find("X-Sum: 7\r\n") != std::string::npos);
    CHECK(answer.find("Set-Cookie") == std::string::npos);
  }
  SUBCASE("not asked") {
    pair.client->send(get);
    CHECK(field_of(pair.request(), "TE").empty());
    pair.at_server().send(trailed);
    CHECK(pair.answer().ends_with("0\r\n\r\n"));
  }
}

TEST_CASE("a client that waits for 100 Continue is told to go on once a server is there") {
  Pair pair;
  pair.client->send(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  pair.bench.until([&] { return pair.client->received == "HTTP/1.1 100 Continue\r\n\r\n"; });
  CHECK(pair.server.connections.size() == 1);
  pair.client->received.clear();
  pair.client->send("hello");
  const std::string request = pair.request();
  CHECK(field_of(request, "Expect").empty());
  CHECK(body_of(request) == "hello");
  pair.at_server().send("HTTP/1.1 100 Continue\r\n\r\n" + ok);
  CHECK(pair.answer().starts_with("HTTP/1.1 200 "));
}

TEST_CASE("without a server a client that waits for 100 Continue gets the final answer at once") {
  Pair pair;
  pair.server.stop_listening();
  pair.client->send(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  const std::string answer = pair.answer();
  CHECK(answer.starts_with("HTTP/1.1 502 "));
  CHECK(field_of(answer, "Connection") == "close");
}

TEST_CASE("an answer that comes before the body's end is passed on and ends both connections") {
  Pair pair;
  pair.client->send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nfirst");
  RawSocket& server = pair.at_server();
  pair.bench.until([&] { return server.received.ends_with("first"); });
  server.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
  const std::string answer = pair.answer();
  CHECK(answer.starts_with("HTTP/1.1 413 "));
  CHECK(field_of(answer, "Connection") == "close");
  pair.bench.until([&] { return server.ended(); });
  CHECK(pair.bench.pool()->idle() == 0);
}

TEST_CASE("a server that answers and breaks off while it is sent a body is still heard") {
  Pair pair;
  pair.client->send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\nfirst");
  RawSocket& server = pair.at_server();
  pair.bench.until([&] { return server.received.ends_with("first"); });
  server.send("HTTP/1.1 400 Bad\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbad");
  server.move();
  server.close();  // with octets of ours unread: the kernel sends a RST after the answer
  pair.client->send(std::string(2'000'000, 'x'));
  CHECK(pair.answer().starts_with("HTTP/1.1 400 "));
}

TEST_CASE("a body over the limit is a 413 and the server is not left with half of it") {
  Pair pair;
  pair.bench.body_limit = 10;
  auto client = pair.bench.connect();
  client->send(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "8\r\nabcdefgh\r\n");
  RawSocket& server = pair.at_server();
  pair.bench.until([&] { return server.received.find("abcdefgh") != std::string::npos; });
  client->send("8\r\nabcdefgh\r\n0\r\n\r\n");
  pair.bench.until([&] { return whole_message(client->received); });
  CHECK(client->received.starts_with("HTTP/1.1 413 "));
  pair.bench.until([&] { return server.ended(); });
  CHECK_FALSE(server.received.ends_with("0\r\n\r\n"));
}

TEST_CASE("a client that breaks off its upload leaves the server with a broken request") {
  Pair pair;
  pair.client->send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  RawSocket& server = pair.at_server();
  pair.bench.until([&] { return server.received.find("abc") != std::string::npos; });
  SUBCASE("by a RST") { pair.client->reset(); }
  SUBCASE("by a FIN") { pair.client->finish(); }
  SUBCASE("by a chunk that is none") { pair.client->send("zz\r\n"); }
  pair.bench.until([&] { return server.ended(); });
  CHECK(server.received.find("0\r\n\r\n") == std::string::npos);
  pair.bench.until([&] { return pair.bench.outcomes.size() == 1; });
  CHECK(pair.bench.pool()->idle() == 0);
}

// --- interim answers

TEST_CASE("interim answers reach HTTP/1.1 clients only") {
  Pair pair;
  const std::string hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
  SUBCASE("1.1") {
    pair.client->send(get);
    pair.request();
    pair.at_server().send(hints);
    pair.bench.until([&] { return pair.client->received.find("</a.css>") != std::string::npos; });
    pair.client->received.clear();
    pair.at_server().send(ok);
    CHECK(pair.answer().starts_with("HTTP/1.1 200 "));
  }
  SUBCASE("1.0") {
    pair.client->send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    pair.request();
    pair.at_server().send(hints + ok);
    CHECK(pair.answer().starts_with("HTTP/1.1 200 "));
  }
}

TEST_CASE("a server that only ever sends interim answers is cut off") {
  Pair pair;
  pair.client->send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
  pair.request();
  std::string flood;
  for (int i = 0; i < 50; ++i) flood += "HTTP/1.1 102 Processing\r\n\r\n";
  pair.at_server().send(flood);
  CHECK(pair.answer().starts_with("HTTP/1.1 502 "));
}

// --- clients that leave

TEST_CASE("when a client breaks its connection, the server's work for it is cancelled") {
  Pair pair;
  pair.client->send(get);
  pair.request();
  pair.client->reset();
  pair.bench.settle();
  pair.bench.advance(400ms);
  pair.bench.until([&] { return pair.at_server().ended(); });
  pair.bench.until([&] { return pair.bench.outcomes.size() == 1; });
  CHECK(pair.bench.outcomes[0].status == 0);
  CHECK(pair.bench.outcomes[0].attempts == 1);
}

TEST_CASE("a client that has only ended its sending side still gets its answer") {
  Pair pair;
  pair.client->send(get);
  pair.client->finish();
  pair.request();
  pair.bench.advance(2s);
  pair.at_server().send(ok);
  CHECK(pair.answer().starts_with("HTTP/1.1 200 "));
}
