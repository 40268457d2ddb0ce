// What passes from a client to a server and back, and what does not.

#include "tests/proxy/forward/pair.hpp"

namespace forward_test {

using namespace gatehouse;
using namespace gatehouse::test;

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

TEST_CASE("a connection that may have become a user's own carries no other request") {
  struct Row {
    std::string name;
    std::string asked;
    std::string told;
    std::size_t kept;
  };
  const std::vector<Row> rows = {
      {"none", "", "", 1},
      {"of another scheme", "Authorization: Basic YTpi\r\n", "", 1},
      {"another scheme is offered", "", "WWW-Authenticate: Basic realm=\"x\"\r\n", 1},
      {"a scheme that only begins so", "Authorization: NTLMv3 abc\r\n", "", 1},
      {"NTLM", "Authorization: NTLM TlRMTVNTUAAB\r\n", "", 0},
      {"Negotiate", "authorization: nEGOTIATE YIIB\r\n", "", 0},
      {"NTLM is offered", "", "WWW-Authenticate: NTLM\r\n", 0},
      {"Negotiate goes on", "", "WWW-Authenticate: Negotiate oRQw\r\n", 0},
      {"NTLM is offered second", "", "WWW-Authenticate: Basic realm=\"x\", ntlm\r\n", 0},
      {"on a line of its own", "", "WWW-Authenticate: Basic\r\nwww-authenticate: NTLM\r\n", 0},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    Pair pair;
    const std::string answer =
        pair.ask("GET / HTTP/1.1\r\nHost: a\r\n" + row.asked + "\r\n",
                 "HTTP/1.1 401 Unauthorized\r\n" + row.told + "Content-Length: 2\r\n\r\nno");
    CHECK(body_of(answer) == "no");
    CHECK(field_of(answer, "Connection").empty());  // the client's own stays
    pair.bench.settle();
    CHECK(pair.bench.pool()->idle() == row.kept);
  }
}

}  // namespace forward_test
