// Answers that break the protocol, are cut short, or take their time to be final.

#include "tests/proxy/forward/pair.hpp"

namespace answer_test {

using namespace gatehouse;
using namespace gatehouse::test;

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

}  // namespace answer_test
