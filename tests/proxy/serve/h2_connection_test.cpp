#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "proxy/serve/access_ring.hpp"
#include "tests/proxy/serve/bench.hpp"
#include "tests/support/access_lines.hpp"
#include "tests/support/h2_peer.hpp"

namespace h2_connection_test {

using namespace gatehouse;
using namespace gatehouse::serve::test;
using namespace std::chrono_literals;
using config::TlsMode;
using nlohmann::json;

namespace h2 = gatehouse::test::h2;

namespace {

config::Config h2_config() {
  config::Route waiting;
  waiting.path = {"/wait"};
  waiting.backend = "app";
  auto site = site_for({"a.example"}, TlsMode::off, {responding("one", {"/one"}), waiting});
  auto secure = site_for({"s.example"}, TlsMode::files, {responding("secure")});
  secure.tls.alpn = {"h2", "http/1.1"};
  auto config = config_with({site, secure});
  config.backends.emplace_back();
  config.backends[0].name = "app";
  config.backends[0].servers.emplace_back();
  config.backends[0].servers[0].host = "127.0.0.1";
  config.backends[0].servers[0].port = 80;
  config.backends[0].servers[0].text = "127.0.0.1:80";
  return config;
}

h2::Pairs ask(const std::string& path, const std::string& host = "a.example",
              const std::string& scheme = "http") {
  return {{":method", "GET"}, {":scheme", scheme}, {":authority", host}, {":path", path}};
}

/// A client of a Bench's plain listener that begins with HTTP/2.
struct Client {
  explicit Client(Bench& with) : bench(with), script(with.connect()) {
    send(h2::hello() + h2::frame(h2::settings, h2::ack, 0));
  }
  void send(const std::string& bytes) { seen.read(bench.ask(script, bytes)); }
  void look() { seen.read(bench.ask(script, "")); }
  h2::Reader::Message& reply(std::uint32_t id) { return seen.stream(id); }

  Bench& bench;
  std::shared_ptr<Script> script;
  h2::Reader seen;
};

}  // namespace

TEST_CASE("HTTP/2 by prior knowledge is answered on a plain listener, many requests at once") {
  Bench bench(h2_config());
  Client client(bench);
  client.send(h2::request(1, ask("/one")) + h2::request(3, ask("/none")) +
              h2::request(5, ask("/one", "other.example")));
  CHECK(client.reply(1).status() == 200);
  CHECK(client.reply(1).body == "one");
  CHECK(client.reply(3).status() == 404);
  CHECK(client.reply(5).status() == 404);
  CHECK(client.reply(1).field("x-request-id").empty());
  CHECK(client.reply(3).field("x-request-id") != client.reply(5).field("x-request-id"));
  CHECK(bench.worker->counters.requests == 3);
  CHECK(bench.worker->connections.count(serve::LiveConnections::State::idle) == 1);
}

TEST_CASE("a server that speaks no HTTP/2 refuses its preface") {
  auto config = h2_config();
  config.server.protocols = {"h1"};
  Bench bench(config);
  const std::string answer = bench.ask(bench.connect(), h2::hello());
  CHECK(answer.starts_with("HTTP/1.1 "));
  bench.advance(5s);
  CHECK(bench.worker->counters.rejected_by["malformed"] == 1);
}

TEST_CASE("HTTP/2 is what a TLS client gets that offers it, where the site speaks it") {
  auto config = h2_config();
  auto old = site_for({"old.example"}, TlsMode::files, {responding("old")});
  config.sites.push_back(old);
  Bench bench(config);
  bench.worker->certificates.put("s.example", certificates_for({"s.example"}),
                                 tls::CertificateIndex::Need::now);
  bench.worker->certificates.put("old.example", certificates_for({"old.example"}),
                                 tls::CertificateIndex::Need::now);
  TlsClient client(bench, "s.example", {"h2", "http/1.1"});
  REQUIRE(client.done());
  CHECK(client.facts().alpn == "h2");
  h2::Reader seen;
  seen.read(client.ask(h2::hello() + h2::frame(h2::settings, h2::ack, 0) +
                       h2::request(1, ask("/", "s.example", "https"))));
  CHECK(seen.stream(1).body == "secure");
  TlsClient other(bench, "old.example", {"h2", "http/1.1"});
  REQUIRE(other.done());
  CHECK(other.facts().alpn == "http/1.1");
  TlsClient silent(bench, "s.example");
  REQUIRE(silent.done());
  CHECK(silent.ask("GET / HTTP/1.1\r\nHost: s.example\r\n\r\n").ends_with("secure"));
}

TEST_CASE("the log has a line for each stream, refused ones too") {
  auto config = h2_config();
  config.log.access = "here";
  Bench bench(config);
  bench.worker->access =
      std::make_shared<serve::AccessRing>(std::make_shared<serve::AccessRing::Bell>(), "key");
  Client client(bench);
  auto broken = ask("/one");
  broken.emplace_back("connection", "close");
  client.send(h2::request(1, ask("/one?q")));
  client.send(h2::request(3, broken));
  client.send(h2::request(5, ask("/one")));
  std::string text;
  test::take_lines(*bench.worker->access, text);
  std::vector<json> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    lines.push_back(json::parse(text.substr(at, end - at)));
    at = end + 1;
  }
  REQUIRE(lines.size() == 3);
  CHECK(lines[0]["proto"] == "HTTP/2");
  CHECK(lines[0]["path"] == "/one");
  CHECK(lines[0]["status"] == 200);
  CHECK(lines[1]["proto"] == "HTTP/2");
  CHECK(lines[1]["status"] == 400);
  CHECK(lines[1]["error"] == "connection_field");
  CHECK(lines[2]["status"] == 200);
  CHECK(bench.worker->counters.rejected_by["malformed"] == 1);
}

TEST_CASE("requests follow one another, and come again after a rest, on one connection") {
  Bench bench(h2_config());
  Client client(bench);
  std::uint32_t id = 1;
  const auto ask_for = [&](std::uint32_t count) {
    std::string octets;
    for (std::uint32_t i = 0; i < count; ++i) octets += h2::request(id + 2 * i, ask("/one"));
    client.send(octets);
    for (std::uint32_t i = 0; i < count; ++i, id += 2) CHECK(client.reply(id).body == "one");
  };
  ask_for(1);
  ask_for(80);  // more at once than afterwards wait for others
  ask_for(3);
  for (int i = 0; i < 6; ++i) bench.advance(500ms);  // all have gone home
  ask_for(2);
  CHECK(bench.worker->counters.requests == 86);
  SUBCASE("while some wait, the connection ends when its client goes") {
    client.script->cut();
    bench.advance(500ms);
  }
  SUBCASE("while some wait, it is retired") {
    bench.worker->connections.retire();
    for (int i = 0; i < 8; ++i) bench.advance(500ms);
  }
  SUBCASE("while some wait, it is cut") {
    asio::post(bench.worker->io, [&bench] { bench.worker->cut_connections(); });
    bench.settle();
  }
  CHECK(bench.worker->connections.count() == 0);
  CHECK(bench.worker->clients.size() == 0);
}

TEST_CASE("a worker may end while requests are awaited") {
  Bench bench(h2_config());
  Client client(bench);
  client.send(h2::request(1, ask("/one")) + h2::request(3, ask("/one")));
  CHECK(client.reply(3).body == "one");
}

TEST_CASE("a retired HTTP/2 connection says goodbye and answers what it has") {
  Bench bench(h2_config());
  Client client(bench);
  const auto server = bench.dialer.lead();
  client.send(h2::request(1, ask("/wait")));
  bench.worker->connections.retire();
  client.look();
  CHECK(client.seen.goaway_code() == 0);
  server->send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
  bench.settle();
  client.look();
  CHECK(client.reply(1).body == "late");
  for (int i = 0; i < 8; ++i) bench.advance(500ms);
  client.look();
  CHECK(client.script->closed());
  CHECK(bench.worker->connections.count() == 0);
}

TEST_CASE("an HTTP/2 connection that is cut tells its client what was taken up") {
  Bench bench(h2_config());
  Client client(bench);
  bench.dialer.lead();
  client.send(h2::request(1, ask("/one")) + h2::request(3, ask("/wait")));
  bench.worker->connections.retire();
  client.look();
  const auto told_before = client.seen.count(h2::goaway);
  SUBCASE("in its last words") {
    bench.worker->cut_connections();
    bench.settle();
    client.look();
    CHECK(client.seen.count(h2::goaway) == told_before + 1);
    CHECK(client.seen.goaway_code() == 0);
    const h2::Frame& last = client.seen.frames().back();
    CHECK(last.type == h2::goaway);
    CHECK(last.payload.substr(0, 4) == h2::number(3));
  }
  SUBCASE("but not in the middle of another word") {
    client.script->take(5);
    client.send(h2::request(5, ask("/one")));
    bench.worker->cut_connections();
    bench.settle();
    client.look();
    CHECK(client.seen.count(h2::goaway) == told_before);
  }
  CHECK(client.script->closed());
  CHECK(bench.worker->connections.count() == 0);
}

TEST_CASE("a connection that carried its number of requests lets its client go elsewhere") {
  auto config = h2_config();
  config.server.limits.requests_per_connection = 2;
  Bench bench(config);
  Client client(bench);
  client.send(h2::request(1, ask("/one")));
  CHECK(client.seen.goaway_code() == -1);
  client.send(h2::request(3, ask("/one")));
  CHECK(client.reply(3).body == "one");
  CHECK(client.seen.goaway_code() == 0);
}

TEST_CASE("no more streams at a time than the config says") {
  auto config = h2_config();
  config.server.limits.h2_streams = 1;
  Bench bench(config);
  Client client(bench);
  const auto server = bench.dialer.lead();
  client.send(h2::request(1, ask("/wait")));
  client.send(h2::reset(1, 8));
  client.send(h2::request(3, ask("/one")));
  CHECK(client.reply(3).reset == 7);
  bench.advance(500ms);  // what the first had set off has ended
  client.send(h2::request(5, ask("/one")));
  CHECK(client.reply(5).status() == 200);
}

TEST_CASE("abuse ends the connection and is counted by its kind") {
  Bench bench(h2_config());
  Client client(bench);
  std::string flood;
  for (int i = 0; i < 200; ++i) flood += h2::frame(h2::ping, 0, 0, "12345678");
  client.send(flood);
  CHECK(client.seen.goaway_code() == 11);
  for (int i = 0; i < 8; ++i) bench.advance(500ms);
  CHECK(bench.worker->connections.count() == 0);
  CHECK(bench.worker->counters.rejected_by["h2_ping_flood"] == 1);
  CHECK(bench.worker->counters.rejected == 1);
}

TEST_CASE("a client that goes away cancels what its streams wait for") {
  Bench bench(h2_config());
  Client client(bench);
  const auto server = bench.dialer.lead();
  client.send(h2::request(1, ask("/wait")));
  SUBCASE("by resetting the stream") {
    client.send(h2::reset(1, 8));
    bench.advance(500ms);
    CHECK(server->closed());
    client.send(h2::request(3, ask("/one")));
    CHECK(client.reply(3).body == "one");
  }
  SUBCASE("by closing the connection") {
    client.script->cut();
    bench.advance(500ms);
    CHECK(server->closed());
    CHECK(bench.worker->connections.count() == 0);
  }
  SUBCASE("by being cut") {
    asio::post(bench.worker->io, [&bench] { bench.worker->cut_connections(); });
    bench.settle();
    CHECK(server->closed());
    CHECK(bench.worker->connections.count() == 0);
    CHECK(bench.worker->clients.size() == 0);
  }
}

TEST_CASE("gRPC learns of our own failures in its own words") {
  Bench bench(h2_config());
  Client client(bench);
  auto call = ask("/none");
  call.emplace_back("content-type", "application/grpc+proto");
  call.emplace_back("te", "trailers");
  client.send(h2::request(1, call));
  CHECK(client.reply(1).status() == 200);
  CHECK(client.reply(1).ended);
  CHECK(client.reply(1).body.empty());
  CHECK(client.reply(1).blocks.size() == 1);
  CHECK(client.reply(1).field("grpc-status") == "12");
  CHECK(client.reply(1).field("content-type") == "application/grpc");
  auto web = ask("/none");
  web.emplace_back("content-type", "application/grpc-web");
  client.send(h2::request(3, web));
  CHECK(client.reply(3).status() == 404);
}

}  // namespace h2_connection_test
