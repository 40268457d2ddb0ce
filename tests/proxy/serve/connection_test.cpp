#include "proxy/serve/connection.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "proxy/serve/access_ring.hpp"
#include "tests/proxy/serve/bench.hpp"
#include "tests/support/access_lines.hpp"
#include "tests/support/onlooker.hpp"

namespace connection_test {

using namespace gatehouse;
using namespace gatehouse::serve::test;
using namespace std::chrono_literals;
using config::TlsMode;
using gatehouse::test::Onlooker;
using nlohmann::json;

namespace {

config::Config plain_config() {
  auto site = site_for({"a.example"}, TlsMode::off,
                       {responding("one", {"/one"}), responding("echo", {"/echo"}),
                        responding("small", {"/small"}), responding("moved", {"/old/*"})});
  site.routes[1].respond->echo = true;
  site.routes[2].max_body = 4;
  site.routes[3].respond.reset();
  site.routes[3].redirect = config::Redirect{"https://new.example{path}{?query}", 301};
  return config_with({site});
}

config::Config tls_config() {
  auto strict = site_for({"strict.example"}, TlsMode::files, {responding("strict")});
  strict.tls.min_version = "1.3";
  return config_with({site_for({"a.example"}, TlsMode::files, {responding("site a")}), strict,
                      site_for({"*.demand.example"}, TlsMode::on_demand, {responding("new")}),
                      site_for({"127.0.0.1"}, TlsMode::internal, {responding("by address")})});
}

bool begins(const std::string& answer, const std::string& with) { return answer.starts_with(with); }

bool holds(const std::string& answer, const std::string& part) {
  return answer.find(part) != std::string::npos;
}

constexpr std::string_view get_a = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

}  // namespace

TEST_CASE("a request is answered by its route and the connection takes the next one") {
  Bench bench(plain_config());
  const auto client = bench.connect();
  const std::string one = bench.ask(client, "GET /one HTTP/1.1\r\nHost: a.example\r\n\r\n");
  CHECK(begins(one, "HTTP/1.1 200 OK\r\n"));
  CHECK(holds(one, "Content-Length: 3\r\n"));
  CHECK(one.ends_with("\r\n\r\none"));
  const std::string none = bench.ask(client, "GET /none HTTP/1.1\r\nHost: a.example\r\n\r\n");
  CHECK(begins(none, "HTTP/1.1 404 Not Found\r\n"));
  CHECK(holds(none, "Cache-Control: no-store\r\n"));
  CHECK(none.ends_with("404 Not Found\n"));
  CHECK_FALSE(client->closed());
  CHECK(bench.worker->counters.requests == 2);
  CHECK(bench.worker->counters.answers[2] == 1);
  CHECK(bench.worker->counters.answers[4] == 1);
}

TEST_CASE("a route's redirect carries path and query along") {
  Bench bench(plain_config());
  const std::string answer = bench.get("a.example", "/old/x?y=1");
  CHECK(begins(answer, "HTTP/1.1 301 "));
  CHECK(holds(answer, "Location: https://new.example/old/x?y=1\r\n"));
}

TEST_CASE("the echo page shows the request, as HTML only where that was asked for and escaped") {
  Bench bench(plain_config());
  const auto client = bench.connect();
  const std::string text = bench.ask(client,
                                     "GET /echo?<b> HTTP/1.1\r\nHost: a.example\r\n"
                                     "X-Seen: \"<script>\"\r\n\r\n");
  CHECK(holds(text, "Content-Type: text/plain; charset=utf-8\r\n"));
  CHECK(holds(text, "X-Content-Type-Options: nosniff\r\n"));
  CHECK(holds(text, "GET /echo?<b> HTTP/1.1\n"));
  CHECK(holds(text, "X-Seen: \"<script>\"\n"));
  CHECK(holds(text, "client: 192.0.2.7\n"));
  CHECK(holds(text, "served by: Gatehouse\n"));
  const std::string html = bench.ask(client,
                                     "GET /echo HTTP/1.1\r\nHost: a.example\r\n"
                                     "Accept: text/html,*/*\r\nX-Seen: \"<script>\"\r\n\r\n");
  CHECK(holds(html, "Content-Type: text/html; charset=utf-8\r\n"));
  CHECK(holds(html, "&quot;&lt;script&gt;&quot;"));
  CHECK_FALSE(holds(html, "<script>"));
}

TEST_CASE("a body over the route's limit is refused at its announcement and ends the connection") {
  Bench bench(plain_config());
  const auto client = bench.connect();
  const std::string fits =
      bench.ask(client, "POST /small HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\n1234");
  CHECK(begins(fits, "HTTP/1.1 200 "));
  const std::string over = bench.ask(
      client, "POST /small HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\n12345");
  CHECK(begins(over, "HTTP/1.1 413 "));
  CHECK(holds(over, "Connection: close\r\n"));
}

TEST_CASE("an open connection serves by the new snapshot from its next request on") {
  Bench bench(plain_config());
  const auto client = bench.connect();
  CHECK(holds(bench.ask(client, "GET /one HTTP/1.1\r\nHost: a.example\r\n\r\n"), "one"));
  auto next = plain_config();
  next.sites[0].routes[0].respond->body = "two";
  bench.publish(next);
  CHECK(holds(bench.ask(client, "GET /one HTTP/1.1\r\nHost: a.example\r\n\r\n"), "two"));
}

TEST_CASE("a snapshot goes when nobody serves by it, idle connections or not") {
  Bench bench(plain_config());
  const auto client = bench.connect();
  bench.ask(client, "GET /one HTTP/1.1\r\nHost: a.example\r\n\r\n");
  const std::weak_ptr<const serve::Snapshot> old = bench.worker->snapshot;
  bench.publish(plain_config());
  CHECK(old.expired());
}

TEST_CASE("a client that sends nothing loses its connection when the head's time is over") {
  Bench bench(plain_config());
  const auto client = bench.connect();
  bench.advance(14s);
  CHECK_FALSE(client->closed());
  bench.advance(2s);
  CHECK(client->closed());
  CHECK(bench.worker->connections.count() == 0);
}

TEST_CASE("a plain request for a TLS site is sent to https with its path and query") {
  Bench bench(tls_config());
  const std::string answer = bench.get("a.example", "/x?y=1");
  CHECK(begins(answer, "HTTP/1.1 308 "));
  CHECK(holds(answer, "Location: https://a.example/x?y=1\r\n"));
}

TEST_CASE(
    "a plain request for a new name is held until the certificate is there, then redirected") {
  Bench bench(tls_config());
  const auto client = bench.connect();
  CHECK(bench.ask(client, "GET /x HTTP/1.1\r\nHost: New.demand.example\r\n\r\n").empty());
  CHECK(bench.source.asked() == std::vector<std::string>{"new.demand.example"});
  bench.source.answer(certificates_for({"new.demand.example"}));
  const std::string answer = bench.ask(client, "");
  CHECK(begins(answer, "HTTP/1.1 308 "));
  CHECK(holds(answer, "Location: https://new.demand.example/x\r\n"));
}

TEST_CASE("a plain request for a new name that gets no certificate is told so") {
  Bench bench(tls_config());
  bench.source.answer(Error(Fault::denied, Side::self, "not allowed"));
  CHECK(begins(bench.get("evil.demand.example"), "HTTP/1.1 403 "));
  bench.source.answer(Error(Fault::limit, Side::self, "too many new names"));
  const std::string limited = bench.get("busy.demand.example");
  CHECK(begins(limited, "HTTP/1.1 503 "));
  CHECK(holds(limited, "Retry-After: 30\r\n"));
  CHECK_FALSE(holds(limited, "too many new names"));
}

TEST_CASE("an HTTP-01 challenge is answered on plain listeners whatever the host") {
  Bench bench(tls_config());
  bench.worker->challenges.put_http("token", "token.thumb");
  const std::string answer = bench.get("a.example", "/.well-known/acme-challenge/token");
  CHECK(begins(answer, "HTTP/1.1 200 OK\r\n"));
  CHECK(answer.ends_with("\r\n\r\ntoken.thumb"));
  CHECK(bench.worker->counters.challenges == 1);
  bench.worker->challenges.erase_http("token");
  CHECK(begins(bench.get("a.example", "/.well-known/acme-challenge/token"), "HTTP/1.1 308 "));
}

TEST_CASE("a name with a certificate is served over TLS") {
  Bench bench(tls_config());
  bench.worker->certificates.put("a.example", certificates_for({"a.example"}),
                                 tls::CertificateIndex::Need::now);
  TlsClient client(bench, "a.example", {"http/1.1"});
  REQUIRE(client.done());
  CHECK(client.facts().alpn == "http/1.1");
  const std::string answer = client.ask(get_a);
  CHECK(begins(answer, "HTTP/1.1 200 OK\r\n"));
  CHECK(answer.ends_with("site a"));
  SUBCASE("but another site's host under another policy is not to be had that way") {
    const std::string other = client.ask("GET / HTTP/1.1\r\nHost: strict.example\r\n\r\n");
    CHECK(begins(other, "HTTP/1.1 421 "));
  }
}

TEST_CASE("a name that no site serves is refused in the handshake") {
  Bench bench(tls_config());
  TlsClient client(bench, "unknown.example");
  CHECK_FALSE(client.done());
  CHECK(holds(client.failure(), "unrecognized name"));
  CHECK(bench.worker->counters.unknown_sni == 1);
  CHECK(bench.source.asked().empty());
}

TEST_CASE("a handshake for a new name waits for its certificate and then goes on") {
  Bench bench(tls_config());
  TlsClient client(bench, "new.demand.example");
  CHECK(bench.source.asked() == std::vector<std::string>{"new.demand.example"});
  bench.advance(45s);  // far past the handshake's own time
  CHECK_FALSE(client.done());
  CHECK(client.failure().empty());
  bench.source.answer(certificates_for({"new.demand.example"}));
  bench.settle();
  REQUIRE(client.done());
  const std::string answer = client.ask("GET / HTTP/1.1\r\nHost: new.demand.example\r\n\r\n");
  CHECK(answer.ends_with("new"));
}

TEST_CASE("a handshake that comes before its site's files were read waits for them") {
  Bench bench(tls_config());
  TlsClient client(bench, "a.example");
  CHECK(bench.source.asked() == std::vector<std::string>{"a.example"});
  CHECK(client.failure().empty());
  bench.source.answer(certificates_for({"a.example"}));
  bench.settle();
  REQUIRE(client.done());
  CHECK(client.ask(get_a).ends_with("site a"));
}

TEST_CASE("the certificate of the site for every name is shown for that site's names alone") {
  auto config = tls_config();
  config.sites[3].hosts = {"*"};
  Bench bench(std::move(config));
  bench.worker->certificates.put("*", certificates_for({"every.name"}),
                                 tls::CertificateIndex::Need::now);
  TlsClient any(bench, "some.name");
  REQUIRE(any.done());
  CHECK(bench.source.asked().empty());
  TlsClient own(bench, "a.example");  // not read yet, or not in memory any more
  CHECK_FALSE(own.done());
  CHECK(bench.source.asked() == std::vector<std::string>{"a.example"});
  bench.source.answer(certificates_for({"a.example"}));
  bench.settle();
  REQUIRE(own.done());
  CHECK(own.ask(get_a).ends_with("site a"));
}

TEST_CASE("a site with files for a name waits for those, also where another site's wildcard fits") {
  auto config = tls_config();
  config.sites[3].hosts = {"*.example"};
  Bench bench(std::move(config));
  bench.worker->certificates.put("*.example", certificates_for({"*.example"}),
                                 tls::CertificateIndex::Need::now);
  TlsClient other(bench, "b.example");
  REQUIRE(other.done());
  CHECK(bench.source.asked().empty());
  TlsClient own(bench, "a.example");
  CHECK_FALSE(own.done());
  CHECK(bench.source.asked() == std::vector<std::string>{"a.example"});
}

TEST_CASE("a handshake whose certificate was denied ends with unrecognized_name") {
  Bench bench(tls_config());
  bench.source.answer(Error(Fault::denied, Side::self, "not allowed"));
  TlsClient client(bench, "evil.demand.example");
  CHECK_FALSE(client.done());
  CHECK(holds(client.failure(), "unrecognized name"));
  CHECK(bench.worker->counters.handshakes_failed == 1);
}

TEST_CASE("a handshake whose certificate cannot be had now ends with internal_error") {
  Bench bench(tls_config());
  bench.source.answer(Error(Fault::timeout, Side::ca, "the CA is slow"));
  TlsClient client(bench, "slow.demand.example");
  CHECK_FALSE(client.done());
  CHECK(holds(client.failure(), "internal error"));
}

TEST_CASE("a client that names no server is served by the address it came to") {
  auto config = tls_config();
  config.sites[3].hosts = {"127.0.0.1", "0.0.0.0", "::"};
  Bench bench(std::move(config));
  // A script has no address of its own; that of a real socket is tested over the loopback.
  bench.worker->certificates.put("0.0.0.0", certificates_for({"0.0.0.0"}),
                                 tls::CertificateIndex::Need::now);
  TlsClient client(bench, "127.0.0.1");  // an address is no server name
  REQUIRE(client.done());
  CHECK(client.ask("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").ends_with("by address"));
}

TEST_CASE("a client that is silent in its handshake is dropped after the handshake's time") {
  Bench bench(tls_config());
  const auto client = bench.connect("tls");
  bench.advance(9s);
  CHECK_FALSE(client->closed());
  bench.advance(2s);
  CHECK(client->closed());
}

TEST_CASE("a CA's tls-alpn-01 probe gets its certificate and nothing else") {
  Bench bench(tls_config());
  const auto probe = tls::make_tls_alpn_certificate("a.example", std::string(32, 'd'),
                                                    std::chrono::system_clock::now());
  REQUIRE(probe);
  bench.worker->challenges.put_tls("a.example", tls::make_certificate_set({*probe}));
  TlsClient client(bench, "a.example", {"acme-tls/1"});
  REQUIRE(client.done());
  CHECK(client.facts().alpn == "acme-tls/1");
  CHECK(client.server().closed());
  CHECK(bench.worker->counters.challenges == 1);
  SUBCASE("without a challenge under way such a handshake is refused") {
    bench.worker->challenges.erase_tls("a.example");
    TlsClient late(bench, "a.example", {"acme-tls/1"});
    CHECK_FALSE(late.done());
    CHECK(holds(late.failure(), "no application protocol"));
  }
}

TEST_CASE("plain HTTP on a TLS port is told so in plain HTTP") {
  Bench bench(tls_config());
  const auto client = bench.connect("tls");
  const std::string answer = bench.ask(client, get_a);
  CHECK(begins(answer, "HTTP/1.1 400 Bad Request\r\n"));
  CHECK(answer.ends_with("\r\n\r\nThis port speaks TLS: use https:// instead.\n"));
  CHECK(holds(answer, "Content-Length: 44\r\n"));
  CHECK(client->write_ended());
  client->end();
  bench.settle();
  CHECK(client->closed());
}

TEST_CASE("connections that are retired end with their next answer, idle ones after a grace") {
  Bench bench(plain_config());
  const auto idle = bench.connect();
  bench.ask(idle, "GET /one HTTP/1.1\r\nHost: a.example\r\n\r\n");
  const auto late = bench.connect();
  bench.ask(late, "GET /one HTTP/1.1\r\nHost: a.example\r\n\r\n");
  bench.worker->connections.retire();
  bench.settle();
  const std::string answer = bench.ask(late, "GET /one HTTP/1.1\r\nHost: a.example\r\n\r\n");
  CHECK(begins(answer, "HTTP/1.1 200 "));
  CHECK(holds(answer, "Connection: close\r\n"));
  bench.advance(5s);
  late->end();
  bench.advance(5s);
  CHECK(idle->closed());
  CHECK(bench.worker->connections.count() == 0);
}

TEST_CASE("retiring a listener leaves the connections of others alone") {
  Bench bench(plain_config());
  const auto kept = bench.connect("plain");
  bench.ask(kept, "GET /one HTTP/1.1\r\nHost: a.example\r\n\r\n");
  bench.worker->connections.retire("tls");
  bench.advance(10s);
  CHECK_FALSE(kept->closed());
}

TEST_CASE("every request leaves one line in the access log, refused ones too") {
  Bench bench(plain_config());
  const auto bell = std::make_shared<serve::AccessRing::Bell>();
  bench.worker->access = std::make_shared<serve::AccessRing>(bell, "key", 4096);
  const auto client = bench.connect();
  bench.ask(client,
            "GET /one?q HTTP/1.1\r\nHost: a.example\r\nUser-Agent: test/1\r\n"
            "Referer: https://b.example/\r\nAuthorization: Bearer secret\r\n\r\n");
  bench.ask(client, "GET / HTTP/1.1\r\nHost: x\r\nBad Name: x\r\n\r\n");
  client->end();
  bench.settle();
  std::string lines;
  REQUIRE(test::take_lines(*bench.worker->access, lines));
  CHECK_FALSE(holds(lines, "secret"));
  const std::size_t end = lines.find('\n');
  const json first = json::parse(lines.substr(0, end));
  CHECK(first["status"] == 200);
  CHECK(first["path"] == "/one");
  CHECK(first["query"] == "q");
  CHECK(first["client_ip"] == "192.0.2.7");
  CHECK(first["user_agent"] == "test/1");
  CHECK(first["referer"] == "https://b.example/");
  CHECK(first["site"] == "a.example");
  CHECK(first["bytes_out"] == 3);
  CHECK(first["id"].get<std::string>().size() == 32);
  const json second = json::parse(lines.substr(end + 1));
  CHECK(second["status"] == 400);
  CHECK(second["error"] != "");
  SUBCASE("a writer that does not keep up costs lines, which are counted") {
    const auto next = bench.connect();
    for (int i = 0; i < 40; ++i) {
      bench.ask(next, "GET /one HTTP/1.1\r\nHost: a.example\r\n\r\n");
    }
    lines.clear();
    REQUIRE(test::take_lines(*bench.worker->access, lines));
    const auto kept = std::count(lines.begin(), lines.end(), '\n');
    CHECK(kept > 0);
    CHECK(kept < 40);
    CHECK(bench.worker->counters.log_lines_dropped == static_cast<std::uint64_t>(40 - kept));
  }
}

TEST_CASE("a request id is our own unless a trusted proxy gave one") {
  auto config = plain_config();
  config.server.trusted_proxies = {"10.0.0.0/8"};
  Bench bench(std::move(config));
  const std::string request =
      "GET /none HTTP/1.1\r\nHost: a.example\r\nX-Request-Id: given-42\r\n\r\n";
  CHECK_FALSE(holds(bench.ask(bench.connect("plain", "192.0.2.7"), request), "given-42"));
  CHECK(
      holds(bench.ask(bench.connect("plain", "10.0.0.1"), request), "X-Request-Id: given-42\r\n"));
}

TEST_CASE("a large body lets others have their turn, whichever way it goes") {
  config::Route app;
  app.backend = "app";
  auto config = config_with({site_for({"a.example"}, TlsMode::off, {app})});
  config::Backend backend;
  backend.name = "app";
  config::BackendServer at;
  at.host = "192.0.2.80";
  at.port = 8080;
  at.text = "192.0.2.80:8080";
  backend.servers = {at};
  config.backends.push_back(backend);
  Bench bench(std::move(config));
  constexpr std::size_t whole = 8 * 1024 * 1024;
  const std::string piece(64 * 1024, 'x');
  const std::string length = "Content-Length: " + std::to_string(whole) + "\r\n\r\n";
  const auto server = bench.dialer.lead();
  const auto client = bench.connect();
  Script* from = nullptr;
  Script* to = nullptr;
  SUBCASE("an answer") {
    client->send(get_a);
    server->send("HTTP/1.1 200 OK\r\n" + length);
    from = server.get();
    to = client.get();
  }
  SUBCASE("a request") {
    client->send("PUT / HTTP/1.1\r\nHost: a.example\r\n" + length);
    from = client.get();
    to = server.get();
  }
  for (std::size_t sent = 0; sent < whole; sent += piece.size()) from->send(piece);
  const Onlooker onlooker(bench.worker->io, [&] { return to->written().size(); });
  bench.settle();
  CHECK(to->written().size() > whole);
  CHECK(onlooker.longest() < whole / 4);
}

}  // namespace connection_test
