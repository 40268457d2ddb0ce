// TLS that is not ours: chosen by the ClientHello's name, carried to a server as it comes.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "core/net/proxy_header.hpp"
#include "proxy/serve/access_ring.hpp"
#include "tests/proxy/serve/bench.hpp"
#include "tests/support/access_lines.hpp"
#include "tests/support/client_hello.hpp"

namespace passthrough_test {

using namespace gatehouse;
using namespace gatehouse::serve::test;
using namespace gatehouse::test;
using namespace std::chrono_literals;
using config::TlsMode;
using nlohmann::json;

namespace {

config::BackendServer server_at(const std::string& host) {
  config::BackendServer server;
  server.host = host;
  server.port = 8443;
  server.text = host + ":8443";
  return server;
}

config::Site passing(config::Strings hosts) {
  config::Route route;
  route.backend = "inner";
  return site_for(std::move(hosts), TlsMode::passthrough, {route});
}

config::Config both_kinds() {
  auto config = config_with({site_for({"ours.example"}, TlsMode::files, {responding("ours")}),
                             passing({"theirs.example", "*.theirs.example"})});
  config::Backend backend;
  backend.name = "inner";
  backend.servers = {server_at("192.0.2.1"), server_at("192.0.2.2")};
  config.backends = {backend};
  return config;
}

struct PassBench : Bench {
  explicit PassBench(config::Config config = both_kinds()) : Bench(std::move(config)) {
    worker->certificates.put("ours.example", certificates_for({"ours.example"}),
                             tls::CertificateIndex::Need::now);
  }
  std::size_t tunnels() const { return worker->connections.tunnels(); }
};

std::string alert(char description) {
  return std::string("\x15\x03\x03\x00\x02\x02", 6) + description;
}

bool ends_in_alert(const std::string& said, char description) {
  return said.size() == 7 && said[0] == '\x15' && said[5] == '\x02' && said[6] == description;
}

const std::string hello = hello_for("theirs.example");

}  // namespace

TEST_CASE("a connection for a name that is passed through reaches a server from its first octet") {
  PassBench bench;
  const auto server = bench.dialer.lead();
  const auto client = bench.connect("tls");
  CHECK(bench.ask(client, hello + "and more").empty());
  CHECK(server->take_written() == hello + "and more");
  CHECK(bench.dialer.dialled().size() == 1);
  CHECK(bench.tunnels() == 1);
  server->send("server hello");
  bench.settle();
  CHECK(client->take_written() == "server hello");
  CHECK(bench.ask(client, "finished").empty());
  CHECK(server->take_written() == "finished");
  CHECK(bench.worker->counters.passed_through == 1);
  CHECK(bench.worker->counters.handshakes == 0);
}

TEST_CASE("the hello may come octet by octet, in many records") {
  PassBench bench;
  const auto server = bench.dialer.lead();
  const auto client = bench.connect("tls");
  const std::string wire = in_records(hello.substr(5), 3);
  for (const char octet : wire) {
    CHECK(bench.dialer.dialled().empty());
    bench.ask(client, std::string_view(&octet, 1));
  }
  CHECK(server->take_written() == wire);
}

TEST_CASE("each side's end reaches the other, and the other may go on") {
  PassBench bench;
  const auto server = bench.dialer.lead();
  const auto client = bench.connect("tls");
  bench.ask(client, hello);
  client->end();
  bench.settle();
  CHECK(server->write_ended());
  CHECK_FALSE(client->closed());
  server->send("the rest");
  server->end();
  bench.settle();
  CHECK(client->take_written() == "the rest");
  CHECK(client->closed());
  CHECK(server->closed());
  CHECK(bench.worker->connections.count() == 0);
}

TEST_CASE("a server is read no faster than its client takes, and the other way round") {
  PassBench bench;
  const auto server = bench.dialer.lead();
  const auto client = bench.connect("tls");
  bench.ask(client, hello);
  client->take(10);
  for (int i = 0; i < 100; ++i) server->send(std::string(1000, 's'));
  bench.settle();
  CHECK(client->written().size() == 10);
  CHECK(server->unread() >= 99'000 - 32 * 1024);
  server->take(0);
  for (int i = 0; i < 100; ++i) client->send(std::string(1000, 'c'));
  bench.settle();
  CHECK(client->unread() >= 99'000 - 32 * 1024);
  client->take(1'000'000);
  server->take(1'000'000);
  bench.settle();
  CHECK(client->written().size() == 100'000);
  CHECK(server->written().size() == hello.size() + 100'000);
}

TEST_CASE("names below a wildcard are passed through, others on the listener are ours") {
  PassBench bench;
  const auto server = bench.dialer.lead();
  const std::string below = hello_for("shop.theirs.example");
  bench.ask(bench.connect("tls"), below);
  CHECK(server->take_written() == below);
  TlsClient ours(bench, "ours.example");
  REQUIRE(ours.done());
  const std::string answer = ours.ask("GET / HTTP/1.1\r\nHost: ours.example\r\n\r\n");
  CHECK(answer.ends_with("\r\n\r\nours"));
  CHECK(bench.dialer.dialled().size() == 1);
}

TEST_CASE("a hello with another name, none, or a bad one gets what any listener gives") {
  PassBench bench;
  for (const std::string& wire :
       {hello_for("unknown.example"), in_records(hello_message("")), hello_for("192.0.2.1")}) {
    const auto client = bench.connect("tls");
    CHECK(ends_in_alert(bench.ask(client, wire), '\x70'));  // unrecognized_name
    CHECK(client->closed());
  }
  CHECK(bench.worker->counters.unknown_sni == 2);
  CHECK(bench.worker->counters.handshakes_failed == 3);
  CHECK(bench.dialer.dialled().empty());
}

TEST_CASE("a site for every name takes also who names none") {
  auto config = both_kinds();
  config.sites[1].hosts = {"*"};
  PassBench bench(config);
  const auto server = bench.dialer.lead();
  const std::string nameless = in_records(hello_message(""));
  bench.ask(bench.connect("tls"), nameless);
  CHECK(server->take_written() == nameless);
}

TEST_CASE("what is no TLS is refused as on any listener") {
  PassBench bench;
  const auto http = bench.connect("tls");
  CHECK(bench.ask(http, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400 "));
  const auto broken = bench.connect("tls");
  const auto two = server_name_extension("theirs.example");
  CHECK(bench.ask(broken, in_records(hello_message(two + two))).starts_with("\x15\x03"));
  CHECK(broken->closed());
  CHECK(bench.dialer.dialled().empty());
}

TEST_CASE("a hello that does not come to its end has the time of a handshake") {
  PassBench bench;
  const auto client = bench.connect("tls");
  bench.ask(client, hello.substr(0, 20));
  bench.advance(9s);
  CHECK_FALSE(client->closed());
  bench.advance(2s);
  CHECK(client->closed());
  CHECK(bench.worker->counters.handshakes_failed == 1);
  const auto gone = bench.connect("tls");
  bench.ask(gone, hello.substr(0, 20));
  gone->end();
  bench.settle();
  CHECK(gone->closed());
}

TEST_CASE("a CA's probe for such a name is the server's to answer") {
  PassBench bench;
  const auto server = bench.dialer.lead();
  const std::string alpn = hello_extension(16, counted("\x0a"
                                                       "acme-tls/1"));
  const std::string probe =
      in_records(hello_message(server_name_extension("theirs.example") + alpn));
  bench.ask(bench.connect("tls"), probe);
  CHECK(server->take_written() == probe);
}

TEST_CASE("when a server cannot be reached another one is, and without any the client is told") {
  PassBench bench;
  bench.dialer.refuse();
  const auto server = bench.dialer.lead();
  bench.ask(bench.connect("tls"), hello);
  CHECK(server->take_written() == hello);
  REQUIRE(bench.dialer.dialled().size() == 2);
  CHECK(bench.dialer.dialled()[0] != bench.dialer.dialled()[1]);
  const auto client = bench.connect("tls");
  CHECK(bench.ask(client, hello) == alert('\x50'));  // internal_error
  CHECK(client->closed());
}

TEST_CASE("the backend's policy chooses: one client always comes to the same server") {
  auto config = both_kinds();
  config.backends[0].policy = "client_hash";
  PassBench bench(config);
  std::set<std::string> servers;
  for (int client = 0; client < 16; ++client) {
    const std::string peer = "198.51.100." + std::to_string(client);
    for (int visit = 0; visit < 2; ++visit) {
      const auto server = bench.dialer.lead();
      bench.ask(bench.connect("tls", peer), hello);
      CHECK(server->written() == hello);
    }
    const auto& dialled = bench.dialer.dialled();
    CHECK(dialled[dialled.size() - 1] == dialled[dialled.size() - 2]);
    servers.insert(dialled.back());
  }
  CHECK(servers.size() == 2);
}

TEST_CASE("a server with a limit has a place for each connection until it ends") {
  auto config = both_kinds();
  config.backends[0].servers = {server_at("192.0.2.1")};
  config.backends[0].servers[0].max_requests = 1;
  PassBench bench(config);
  const auto first = bench.dialer.lead();
  const auto client = bench.connect("tls");
  bench.ask(client, hello);
  CHECK(first->written() == hello);
  const auto second = bench.dialer.lead();
  const auto waiting = bench.connect("tls");
  CHECK(bench.ask(waiting, hello).empty());
  CHECK(second->written().empty());
  client->end();
  first->end();
  bench.settle();
  CHECK(second->written() == hello);
  const auto late = bench.connect("tls");
  bench.ask(late, hello);
  bench.advance(4s);
  CHECK(late->take_written() == alert('\x50'));
  CHECK(bench.worker->counters.rejected_by["queue_full"] == 1);
}

TEST_CASE("a server is told its client's address before the hello where it wants that") {
  auto config = both_kinds();
  config.backends[0].proxy_protocol = 2;
  PassBench bench(config);
  const auto server = bench.dialer.lead();
  bench.ask(bench.connect("tls", "198.51.100.7"), hello);
  const std::string said = server->take_written();
  const auto header = net::parse_proxy_header(said);
  REQUIRE(header);
  CHECK(header->source.to_string() == "198.51.100.7");
  CHECK(header->source_port == 40000);
  CHECK(said.substr(header->length) == hello);
}

TEST_CASE("a tunnel that nobody uses ends after an hour, a half-closed one earlier") {
  PassBench bench;
  const auto server = bench.dialer.lead();
  const auto client = bench.connect("tls");
  bench.ask(client, hello);
  bench.advance(59min);
  CHECK_FALSE(client->closed());
  server->send("x");
  bench.settle();
  bench.advance(59min);
  CHECK_FALSE(client->closed());
  client->end();
  bench.settle();
  bench.advance(11min);
  CHECK(client->closed());
  CHECK(server->closed());
}

TEST_CASE("a drain leaves the tunnel its time, a cut ends it") {
  PassBench bench;
  const auto server = bench.dialer.lead();
  const auto client = bench.connect("tls");
  bench.ask(client, hello);
  bench.worker->draining = true;
  bench.worker->connections.retire();
  bench.settle();
  CHECK(bench.ask(client, "still here").empty());
  CHECK(server->written().ends_with("still here"));
  bench.worker->cut_connections();
  bench.settle();
  CHECK(client->closed());
  CHECK(server->closed());
}

TEST_CASE("plain HTTP for such a name is sent to https, and never to the server") {
  PassBench bench;
  CHECK(bench.get("theirs.example", "/x").starts_with("HTTP/1.1 308 "));
  auto config = both_kinds();
  config.server.trusted_proxies = {"192.0.2.0/24"};
  bench.publish(config);
  const std::string secured =
      bench.ask(bench.connect(),
                "GET / HTTP/1.1\r\nHost: theirs.example\r\nX-Forwarded-Proto: https\r\n\r\n");
  CHECK(secured.starts_with("HTTP/1.1 421 "));
  CHECK(bench.dialer.dialled().empty());
}

TEST_CASE("a request for such a name over another site's connection is 421") {
  PassBench bench;
  TlsClient ours(bench, "ours.example");
  REQUIRE(ours.done());
  CHECK(ours.ask("GET / HTTP/1.1\r\nHost: theirs.example\r\n\r\n").starts_with("HTTP/1.1 421 "));
}

TEST_CASE("a connection that was passed through leaves one line in the access log") {
  PassBench bench;
  const auto bell = std::make_shared<serve::AccessRing::Bell>();
  bench.worker->access = std::make_shared<serve::AccessRing>(bell, "key");
  const auto server = bench.dialer.lead();
  const auto client = bench.connect("tls");
  bench.ask(client, hello);
  server->send("12345");
  bench.settle();
  client->end();
  server->end();
  bench.settle();
  std::string lines;
  test::take_lines(*bench.worker->access, lines);
  const json line = json::parse(lines);
  CHECK(line["proto"] == "TLS");
  CHECK(line["host"] == "theirs.example");
  CHECK(line["tls"]["sni"] == "theirs.example");
  CHECK(line["site"] == "theirs.example");
  CHECK(line["status"] == 0);
  CHECK(line["bytes_in"] == hello.size());
  CHECK(line["bytes_out"] == 5);
  CHECK(line["backend"]["name"] == "inner");
  CHECK(line["client_ip"] == "192.0.2.7");
  CHECK(line["error"] == "");
}

}  // namespace passthrough_test
