// Connections that are cut end at once, wherever they wait. One row a waiting place.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "proxy/serve/access_ring.hpp"
#include "tests/proxy/serve/bench.hpp"
#include "tests/support/access_lines.hpp"

namespace cut_test {

using namespace gatehouse;
using namespace gatehouse::serve::test;
using namespace std::chrono_literals;
using config::TlsMode;
using nlohmann::json;

namespace {

config::BackendServer server_at(const std::string& host) {
  config::BackendServer server;
  server.host = host;
  server.port = 8080;
  server.text = host + ":8080";
  return server;
}

config::Config house() {
  config::Route app;
  app.backend = "app";
  config::Route named;
  named.path = {"/named"};
  named.backend = "named";
  auto config =
      config_with({site_for({"a.example"}, TlsMode::off, {named, app}),
                   site_for({"*.demand.example"}, TlsMode::on_demand, {responding("new")})});
  config.server.trusted_proxies = {"10.0.0.0/8"};
  config.server.proxy_protocol = true;  // of 10.0.0.0/8 alone
  for (const std::string name : {"app", "named"}) {
    config::Backend backend;
    backend.name = name;
    backend.servers = {server_at(name == "app" ? "192.0.2.80" : "app.internal")};
    config.backends.push_back(backend);
  }
  return config;
}

constexpr std::string_view get_a = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
constexpr std::string_view post_a =
    "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 10\r\n\r\nhalf";
constexpr std::string_view websocket =
    "GET /chat HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
constexpr std::string_view switched =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

void cut(Bench& bench) {
  asio::post(bench.worker->io, [&bench] { bench.worker->cut_connections(); });
  bench.settle();
}

}  // namespace

TEST_CASE("a connection that is cut ends at once, wherever it waits") {
  Bench bench(house());
  std::shared_ptr<Script> client;
  std::shared_ptr<Script> server;
  std::unique_ptr<TlsClient> tls;
  const auto talk = [&](std::string_view words) {
    client = bench.connect();
    bench.ask(client, words);
  };
  SUBCASE("for its first octet") { talk(""); }
  SUBCASE("for the rest of a head") { talk("GET / HT"); }
  SUBCASE("for its PROXY header") { client = bench.connect("plain", "10.0.0.1"); }
  SUBCASE("for a ClientHello") { client = bench.connect("tls"); }
  SUBCASE("for a certificate, in the handshake") {
    tls = std::make_unique<TlsClient>(bench, "new.demand.example");
    REQUIRE(bench.source.asked().size() == 1);
  }
  SUBCASE("for a certificate, with a plain request") {
    talk("GET / HTTP/1.1\r\nHost: new.demand.example\r\n\r\n");
    REQUIRE(bench.source.asked().size() == 1);
  }
  SUBCASE("for its server's address") {
    bench.resolver.hanging = true;
    talk("GET /named HTTP/1.1\r\nHost: a.example\r\n\r\n");
  }
  SUBCASE("for its server to accept") {
    bench.dialer.hang();
    talk(get_a);
    REQUIRE(bench.dialer.dialled().size() == 1);
  }
  SUBCASE("for its server to take the request") {
    server = bench.dialer.lead();
    server->take(0);
    talk(get_a);
    REQUIRE(server->waiting(net::Want::write));
  }
  SUBCASE("for the answer's head") {
    server = bench.dialer.lead();
    talk(get_a);
    REQUIRE(server->waiting(net::Want::read));
  }
  SUBCASE("for the rest of its own body, while its server may answer") {
    server = bench.dialer.lead();
    talk(post_a);
    REQUIRE(server->written().ends_with("half"));
    REQUIRE(client->waiting(net::Want::read));
  }
  SUBCASE("for the rest of the answer") {
    server = bench.dialer.lead();
    server->send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    talk(get_a);
    REQUIRE(client->written().ends_with("half"));
  }
  SUBCASE("for the client to take the answer") {
    server = bench.dialer.lead();
    server->send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    client = bench.connect();
    client->take(0);
    bench.ask(client, get_a);
    server->send("half");
    bench.settle();
    REQUIRE(client->waiting(net::Want::write));
  }
  SUBCASE("in a tunnel") {
    server = bench.dialer.lead();
    server->send(switched);
    talk(websocket);
    REQUIRE(bench.worker->connections.tunnels() == 1);
  }
  SUBCASE("for its next request") {
    server = bench.dialer.lead();
    server->send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    talk(get_a);
    REQUIRE(bench.worker->connections.count(serve::LiveConnections::State::idle) == 1);
  }
  SUBCASE("for the client's end, its last answer sent") {
    server = bench.dialer.lead();
    server->send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    talk("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
    REQUIRE(client->write_ended());
    REQUIRE_FALSE(client->closed());
  }
  REQUIRE(bench.worker->connections.count() == 1);
  cut(bench);
  CHECK(bench.worker->connections.count() == 0);
  CHECK(bench.worker->clients.size() == 0);
  CHECK((client ? client->closed() : tls->server().closed()));
  CHECK((!server || server->closed()));
}

TEST_CASE("a certificate that comes after its handshake was cut is no trouble") {
  Bench bench(house());
  const TlsClient client(bench, "new.demand.example");
  cut(bench);
  REQUIRE(bench.worker->connections.count() == 0);
  bench.source.answer(certificates_for({"new.demand.example"}));
  bench.settle();
  CHECK_FALSE(client.done());
  CHECK(bench.worker->crew.size() == 1);  // the wheel: nobody asks any more
}

TEST_CASE("a request that is cut leaves its line in the log, and its connection takes no other") {
  Bench bench(house());
  const auto bell = std::make_shared<serve::AccessRing::Bell>();
  bench.worker->access = std::make_shared<serve::AccessRing>(bell, "key");
  std::string status;
  SUBCASE("before its answer") { bench.dialer.hang(); }
  SUBCASE("within it") {
    bench.dialer.lead()->send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  }
  const auto client = bench.connect();
  bench.ask(client, std::string(get_a) + std::string(get_a));
  cut(bench);
  CHECK(bench.worker->counters.requests == 1);
  std::string lines;
  REQUIRE(test::take_lines(*bench.worker->access, lines));
  const json line = json::parse(lines.substr(0, lines.find('\n')));
  CHECK(line["error"] != "");
  CHECK(line["host"] == "a.example");
  CHECK(lines.find('\n') == lines.size() - 1);
}

TEST_CASE("an idle tunnel holds no buffer, and its line in the log tells all the same who it was") {
  Bench bench(house());
  const auto bell = std::make_shared<serve::AccessRing::Bell>();
  bench.worker->access = std::make_shared<serve::AccessRing>(bell, "key");
  const auto server = bench.dialer.lead();
  server->send(switched);
  const auto client = bench.connect();
  std::string asked(websocket);
  asked.insert(asked.size() - 2, "User-Agent: chat/1\r\nReferer: http://a.example/page\r\n");
  asked.replace(asked.find("/chat"), 5, "/chat?room=7");
  bench.ask(client, asked);
  REQUIRE(bench.worker->connections.tunnels() == 1);
  CHECK(bench.worker->buffers.lent() == 0);
  CHECK(bench.ask(client, "up").empty());
  CHECK(server->written().ends_with("up"));
  CHECK(bench.worker->buffers.lent() == 0);
  // Whoever has its buffer now writes into it.
  const auto other = bench.connect();
  bench.ask(other, "GET /" + std::string(3000, 'x') + " HTTP/1.1\r\nHost: a.example\r\n\r\n");
  std::string lines;
  while (test::take_lines(*bench.worker->access, lines)) {
  }
  lines.clear();
  cut(bench);
  REQUIRE(test::take_lines(*bench.worker->access, lines));
  const json line = json::parse(lines.substr(0, lines.find('\n')));
  CHECK(line["method"] == "GET");
  CHECK(line["host"] == "a.example");
  CHECK(line["path"] == "/chat");
  CHECK(line["query"] == "room=7");
  CHECK(line["user_agent"] == "chat/1");
  CHECK(line["referer"] == "http://a.example/page");
  CHECK(line["id"].get<std::string>().size() == 32);
  CHECK(line["bytes_in"] == 2);
}

TEST_CASE("a tunnel goes on when its connection is retired, until it is cut") {
  Bench bench(house());
  const auto server = bench.dialer.lead();
  server->send(switched);
  const auto client = bench.connect();
  bench.ask(client, websocket);
  bench.worker->connections.retire();
  bench.advance(30s);
  CHECK(bench.ask(client, "up").empty());
  CHECK(server->written().ends_with("up"));
  server->send("down");
  bench.settle();
  CHECK(client->take_written() == "down");
  CHECK_FALSE(client->closed());
  cut(bench);
  CHECK(client->closed());
  CHECK(server->closed());
}

}  // namespace cut_test
