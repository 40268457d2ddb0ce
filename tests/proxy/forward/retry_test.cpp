// Failures before the answer: what goes once more, and what the client is told.

#include "tests/proxy/forward/pair.hpp"

namespace retry_test {

using namespace gatehouse;
using namespace gatehouse::test;

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

TEST_CASE("a body of which more was read since is not sent once more") {
  Pair pair;
  pair.ask(get, ok);
  pair.client->send("PUT /f HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello");
  RawSocket& server = pair.at_server(0);
  pair.bench.until([&] { return server.received.find("hello") != std::string::npos; });
  // Framing alone: no further piece, but the octets take the place of the first one.
  pair.client->send("\r\n5;" + std::string(20, 'x'));
  pair.bench.settle();
  server.reset();
  CHECK(pair.answer().starts_with("HTTP/1.1 502 "));
  pair.bench.settle();
  CHECK(pair.server.connections.size() == 1);
}

TEST_CASE("a request that goes once more keeps its place among max_requests") {
  Pair pair;
  pair.bench.backend.servers[0].max_requests = 1;
  pair.bench.publish();
  pair.ask(get, ok);
  pair.client->send(get);
  pair.request(0);
  const auto waiting = pair.bench.connect();
  waiting->send(get);
  pair.bench.settle();
  pair.at_server(0).reset();
  pair.request(1);
  pair.bench.settle();
  CHECK(pair.server.connections.size() == 2);
  CHECK(pair.at_server(1).received.empty());
  pair.at_server(1).send(ok);
  CHECK(pair.answer().starts_with("HTTP/1.1 200 "));
  pair.request(1);  // whose turn it is now
  pair.at_server(1).send(ok);
  pair.bench.until([&] { return whole_message(waiting->received); });
  CHECK(waiting->received.starts_with("HTTP/1.1 200 "));
}

}  // namespace retry_test
