// HTTP/2 on one side, HTTP/1.1 on the other: what becomes of heads and bodies, and that nothing a
// client writes can become a second request.

#include <doctest/doctest.h>

#include "tests/proxy/serve/bench.hpp"
#include "tests/support/h2_peer.hpp"

namespace translation_test {

using namespace gatehouse;
using namespace gatehouse::serve::test;
using namespace std::chrono_literals;

namespace h2 = gatehouse::test::h2;

namespace {

/// One site before one HTTP/1.1 server, and a client that speaks HTTP/2.
struct Translation {
  static config::Config config() {
    config::Route route;
    route.backend = "app";
    auto config = config_with({site_for({"a.example"}, config::TlsMode::off, {route})});
    config.backends.emplace_back();
    config.backends[0].name = "app";
    config.backends[0].servers.emplace_back();
    config.backends[0].servers[0].host = "127.0.0.1";
    config.backends[0].servers[0].port = 80;
    config.backends[0].servers[0].text = "127.0.0.1:80";
    return config;
  }

  Translation() : bench(config()), client(bench.connect()), server(bench.dialer.lead()) {
    send(h2::hello() + h2::frame(h2::settings, h2::ack, 0));
  }
  void send(const std::string& bytes) { seen.read(bench.ask(client, bytes)); }
  void answer(const std::string& bytes) {
    server->send(bytes);
    bench.settle();
    send("");
  }
  /// What the server was sent.
  std::string head() const {
    return server->written().substr(0, server->written().find("\r\n\r\n") + 4);
  }
  std::string body() const { return server->written().substr(head().size()); }
  bool has(const std::string& line) const {
    return head().find("\r\n" + line + "\r\n") != std::string::npos;
  }
  std::size_t count(const std::string& text) const {
    std::size_t found = 0;
    for (std::size_t at = 0; (at = server->written().find(text, at)) != std::string::npos; ++at) {
      ++found;
    }
    return found;
  }

  Bench bench;
  std::shared_ptr<Script> client;
  std::shared_ptr<Script> server;
  h2::Reader seen;
};

h2::Pairs ask(const std::string& method, const std::string& path, const h2::Pairs& more = {}) {
  h2::Pairs fields = {
      {":method", method}, {":scheme", "http"}, {":authority", "a.example"}, {":path", path}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

}  // namespace

TEST_CASE("an HTTP/2 request reaches an HTTP/1.1 server as one of its own") {
  Translation t;
  SUBCASE("its head") {
    t.send(h2::request(
        1, ask("GET", "/a%2Fb?c=d", {{"cookie", "a=1"}, {"x-one", "1"}, {"cookie", "b=2"}})));
    CHECK(t.head().starts_with("GET /a%2Fb?c=d HTTP/1.1\r\nHost: a.example\r\n"));
    CHECK(t.count("ost: a.example") == 2);  // and X-Forwarded-Host
    CHECK(t.has("cookie: a=1; b=2"));
    CHECK(t.has("x-one: 1"));
    CHECK(t.has("X-Forwarded-Proto: http"));
    CHECK(t.has("Via: 2.0 gatehouse"));
    CHECK(t.head().find("ontent-") == std::string::npos);
    CHECK(t.head().find("ransfer-") == std::string::npos);
    CHECK(t.body().empty());
  }
  SUBCASE("a body of a known length") {
    t.send(h2::request(1, ask("POST", "/", {{"content-length", "4"}}), false) +
           h2::body(1, "body", true));
    CHECK(t.has("Content-Length: 4"));
    CHECK(t.body() == "body");
  }
  SUBCASE("a body of unknown length") {
    t.send(h2::request(1, ask("POST", "/"), false) + h2::body(1, "body", true));
    CHECK(t.has("Transfer-Encoding: chunked"));
    CHECK(t.body() == "4\r\nbody\r\n0\r\n\r\n");
  }
  SUBCASE("a method that has a body, without one") {
    t.send(h2::request(1, ask("POST", "/")));
    CHECK(t.has("Content-Length: 0"));
    CHECK(t.body().empty());
  }
  SUBCASE("trailers") {
    t.send(h2::request(1, ask("POST", "/", {{"te", "trailers"}}), false) +
           h2::body(1, "body", false) + h2::request(1, {{"x-sum", "7"}, {"host", "b"}}));
    CHECK(t.has("TE: trailers"));
    CHECK(t.has("Connection: TE"));
    CHECK(t.body() == "4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n");
  }
}

TEST_CASE("nothing of an HTTP/2 request can become a second one behind it") {
  struct Row {
    const char* name;
    h2::Pairs fields;
  };
  const std::vector<Row> rows = {
      {"a transfer-encoding", ask("POST", "/", {{"transfer-encoding", "chunked"}})},
      {"a line end in a value", ask("GET", "/", {{"x", "a\r\ntransfer-encoding: chunked"}})},
      {"a bare line feed in a value", ask("GET", "/", {{"x", "a\nb: c"}})},
      {"a NUL in a value", ask("GET", "/", {{"x", std::string("a\0b", 3)}})},
      {"a line end in a name", ask("GET", "/", {{"x: y\r\ntransfer-encoding", "chunked"}})},
      {"a colon in a name", ask("GET", "/", {{"x:y", "z"}})},
      {"a space in a name", ask("GET", "/", {{"content-length ", "1"}})},
      {"capitals in a name", ask("GET", "/", {{"Transfer-Encoding", "chunked"}})},
      {"an empty name", ask("GET", "/", {{"", "z"}})},
      {"a request in the method", ask("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET", "/")},
      {"a space in the method", ask("GET /admin", "/")},
      {"a space in the path", ask("GET", "/ HTTP/1.1")},
      {"a line end in the path", ask("GET", "/ HTTP/1.1\r\nHost: x\r\n\r\n")},
      {"a fragment in the path", ask("GET", "/#x")},
      {"no slash at the path's begin", ask("GET", "admin")},
      {"an absolute path", ask("GET", "http://b.example/")},
      {"an empty path", ask("GET", "")},
      {"another host", ask("GET", "/", {{"host", "b.example"}})},
      {"two hosts", ask("GET", "/", {{"host", "a.example"}, {"host", "a.example"}})},
      {"two lengths", ask("POST", "/", {{"content-length", "1"}, {"content-length", "2"}})},
      {"a length with a sign", ask("POST", "/", {{"content-length", "+0"}})},
      {"a length without its body", ask("POST", "/", {{"content-length", "3"}})},
      {"a connection field", ask("GET", "/", {{"connection", "close"}})},
      {"an upgrade", ask("GET", "/", {{"upgrade", "h2c"}})},
      {"a keep-alive", ask("GET", "/", {{"keep-alive", "1"}})},
      {"a proxy-connection", ask("GET", "/", {{"proxy-connection", "close"}})},
      {"a te of more than trailers", ask("GET", "/", {{"te", "trailers, chunked"}})},
      {"a pseudo-field after others", ask("GET", "/", {{"x", "y"}, {":path", "/b"}})},
      {"a pseudo-field twice", ask("GET", "/", {{":path", "/b"}})},
      {"an unknown pseudo-field", ask("GET", "/", {{":x", "y"}})},
      {"a status", ask("GET", "/", {{":status", "200"}})},
      {"a user in the authority",
       {{":method", "GET"}, {":scheme", "http"}, {":authority", "u@a.example"}, {":path", "/"}}},
      {"a path in the authority",
       {{":method", "GET"}, {":scheme", "http"}, {":authority", "a.example/x"}, {":path", "/"}}},
      {"a line end in the authority",
       {{":method", "GET"},
        {":scheme", "http"},
        {":authority", "a.example\r\nx: y"},
        {":path", "/"}}},
      {"no authority", {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}}},
      {"no scheme", {{":method", "GET"}, {":authority", "a.example"}, {":path", "/"}}},
      {"no method", {{":scheme", "http"}, {":authority", "a.example"}, {":path", "/"}}},
      {"a method for prefaces", ask("PRI", "/")},
      {"two expectations", ask("GET", "/", {{"expect", "100-continue"}, {"expect", "x"}})},
      {"a tunnel", {{":method", "CONNECT"}, {":authority", "a.example:80"}}},
      {"a tunnel with a path", ask("CONNECT", "/")},
      {"a tunnel's protocol without one", ask("GET", "/", {{":protocol", "websocket"}})},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    Translation t;
    t.send(h2::request(1, row.fields));
    const auto& reply = t.seen.stream(1);
    const bool refused = reply.reset == 1 || reply.reset == 2 ||
                         (reply.status() >= 400 && reply.status() < 600 && reply.ended);
    CHECK(refused);
    CHECK(t.server->written().empty());
    CHECK(t.bench.dialer.dialled().empty());
    // Others on the connection go on.
    t.send(h2::request(3, ask("GET", "/next")));
    CHECK(t.head().starts_with("GET /next HTTP/1.1\r\n"));
  }
}

TEST_CASE("a body that differs from its told length ends in nothing, not in another request") {
  Translation t;
  SUBCASE("longer") {
    t.send(h2::request(1, ask("POST", "/", {{"content-length", "2"}}), false) +
           h2::body(1, "xyGET /smuggled HTTP/1.1\r\n\r\n", true));
  }
  SUBCASE("shorter") {
    t.send(h2::request(1, ask("POST", "/", {{"content-length", "9"}}), false) +
           h2::body(1, "xy", true));
  }
  SUBCASE("shorter, by trailers") {
    t.send(h2::request(1, ask("POST", "/", {{"content-length", "9"}}), false) +
           h2::body(1, "xy", false) + h2::request(1, {{"x", "y"}}));
  }
  t.bench.advance(500ms);
  t.send("");
  CHECK(t.seen.stream(1).reset == 1);
  CHECK(t.server->written().find("smuggled") == std::string::npos);
  CHECK((t.server->written().empty() || t.server->closed()));
}

TEST_CASE("an HTTP/1.1 answer reaches an HTTP/2 client as one of its own") {
  Translation t;
  t.send(h2::request(1, ask("GET", "/")));
  auto& reply = t.seen.stream(1);
  SUBCASE("fields of the connection stay behind") {
    t.answer(
        "HTTP/1.1 200 Fine\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX-Kept: "
        "2\r\n"
        "Upgrade: h2c\r\nProxy-Connection: x\r\nContent-Length: 2\r\n\r\nok");
    CHECK(reply.status() == 200);
    CHECK(reply.body == "ok");
    CHECK(reply.field("content-length") == "2");
    CHECK(reply.field("x-kept") == "2");
    for (const char* gone : {"connection", "x-hop", "keep-alive", "upgrade", "proxy-connection"}) {
      CHECK(reply.field(gone).empty());
    }
  }
  SUBCASE("chunks are taken apart") {
    t.answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    CHECK(reply.body == "ok");
    CHECK(reply.ended);
    CHECK(reply.field("transfer-encoding").empty());
    CHECK(reply.field("content-length").empty());
  }
  SUBCASE("an interim answer goes before") {
    t.answer("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
    REQUIRE(reply.blocks.size() == 2);
    CHECK(reply.field("link", 0) == "</a>");
    CHECK(reply.status() == 204);
    CHECK(reply.ended);
  }
  SUBCASE("a body cut short is a broken stream") {
    t.answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok");
    t.server->end();
    t.bench.settle();
    t.send("");
    CHECK(reply.status() == 200);
    CHECK_FALSE(reply.ended);
    CHECK(reply.reset == 2);
  }
  SUBCASE("octets past the answer go nowhere") {
    t.answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n");
    CHECK(reply.body == "ok");
    CHECK(t.server->closed());
  }
  SUBCASE("a switch of protocols that nobody asked for is a 502") {
    t.answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n");
    CHECK(reply.status() == 502);
  }
}

}  // namespace translation_test
