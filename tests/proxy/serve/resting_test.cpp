// An idle connection has its coroutines end, and nobody is to notice.

#include <doctest/doctest.h>

#include "tests/proxy/serve/bench.hpp"
#include "tests/support/h2_peer.hpp"

namespace resting_test {

using namespace gatehouse;
using namespace gatehouse::serve::test;
using namespace std::chrono_literals;
using config::TlsMode;
namespace h2 = gatehouse::test::h2;
using State = serve::LiveConnections::State;

namespace {

config::Config house() {
  auto site = site_for({"a.example"}, TlsMode::off,
                       {responding("one", {"/one"}), responding("echo", {"/echo"})});
  site.routes[1].respond->echo = true;
  auto secure = site_for({"b.example"}, TlsMode::files, {responding("echo")});
  secure.routes[0].respond->echo = true;
  secure.tls.alpn = {"h2", "http/1.1"};
  auto config = config_with({site, secure});
  config.server.protocols = {"h1", "h2"};
  config.server.timeouts.idle = 60s;
  config.server.timeouts.request_header = 10s;
  return config;
}

constexpr std::string_view get_one = "GET /one HTTP/1.1\r\nHost: a.example\r\n\r\n";

bool holds(const std::string& answer, const std::string& part) {
  return answer.find(part) != std::string::npos;
}

/// One that rests after a request.
std::shared_ptr<Script> rested(Bench& bench) {
  auto client = bench.connect();
  REQUIRE(bench.ask(client, get_one).ends_with("one"));
  REQUIRE(bench.worker->clients.size() == 1);
  bench.advance(1s);
  REQUIRE(bench.worker->clients.size() == 0);  // no task
  REQUIRE(bench.worker->connections.count(State::idle) == 1);
  return client;
}

/// How many of at most so many were asked to make way.
std::size_t asked(Bench& bench, std::size_t most) {
  std::size_t found = 0;
  asio::post(bench.worker->io, [&] { found = bench.worker->connections.make_way(most); });
  bench.settle();
  return found;
}

void cut(Bench& bench) {
  asio::post(bench.worker->io, [&bench] { bench.worker->cut_connections(); });
  bench.settle();
}

}  // namespace

TEST_CASE("a connection at rest takes its next requests, and rests again between them") {
  Bench bench(house());
  const auto client = rested(bench);
  for (int i = 0; i < 3; ++i) {
    CHECK(bench.ask(client, get_one).ends_with("one"));
    CHECK(bench.worker->connections.count(State::idle) == 1);
    bench.advance(1s);
    CHECK(bench.worker->clients.size() == 0);
  }
  const std::string both = bench.ask(client, std::string(get_one) + std::string(get_one));
  CHECK(both.find("one", both.find("one") + 1) != std::string::npos);
  CHECK(bench.worker->counters.requests == 6);
  CHECK(bench.worker->connections.count() == 1);
}

TEST_CASE("a connection on which requests come does not rest, however long it lives") {
  Bench bench(house());
  const auto client = bench.connect();
  for (int i = 0; i < 20; ++i) {
    bench.ask(client, get_one);
    bench.advance(400ms);
    CHECK(bench.worker->clients.size() == 1);
  }
}

TEST_CASE("a head that is half there keeps its connection awake") {
  Bench bench(house());
  const auto client = rested(bench);
  bench.ask(client, "GET /one HT");
  bench.advance(2s);
  CHECK(bench.worker->clients.size() == 1);
  CHECK(bench.ask(client, "TP/1.1\r\nHost: a.example\r\n\r\n").ends_with("one"));
}

TEST_CASE("a client that ends its connection at rest is let go") {
  Bench bench(house());
  const auto client = rested(bench);
  SUBCASE("properly") { client->end(); }
  SUBCASE("by a reset") { client->cut(); }
  bench.settle();
  CHECK(client->closed());
  CHECK(bench.worker->connections.count() == 0);
}

TEST_CASE("who has been idle for a while makes way, the oldest first") {
  Bench bench(house());
  const auto oldest = rested(bench);
  const auto younger = bench.connect();
  bench.ask(younger, get_one);
  CHECK(asked(bench, 10) == 1);  // the younger one had a request just now
  CHECK(asked(bench, 10) == 0);  // nobody is asked twice
  bench.advance(1100ms);
  CHECK(oldest->closed());
  CHECK_FALSE(younger->closed());
  CHECK(bench.worker->connections.count() == 1);
  const auto youngest = bench.connect();
  bench.ask(youngest, get_one);
  bench.advance(1s);
  CHECK(asked(bench, 1) == 1);
  bench.advance(1100ms);
  CHECK(younger->closed());
  CHECK_FALSE(youngest->closed());
}

TEST_CASE("a request that was on its way when its connection was to make way is answered") {
  Bench bench(house());
  const auto client = rested(bench);
  CHECK(asked(bench, 1) == 1);
  bench.advance(500ms);
  CHECK(bench.ask(client, get_one).ends_with("one"));
  bench.advance(2s);
  CHECK_FALSE(client->closed());
}

TEST_CASE("an idle HTTP/2 connection makes way with a goodbye, one with a stream does not") {
  Bench bench(house());
  const auto client = bench.connect();
  const h2::Pairs head = {
      {":method", "GET"}, {":scheme", "http"}, {":authority", "a.example"}, {":path", "/one"}};
  const std::string no_window = h2::frame(h2::settings, 0, 0, h2::setting(4, 0));
  h2::Reader seen;
  seen.read(bench.ask(client, h2::hello() + no_window + h2::frame(h2::settings, h2::ack, 0) +
                                  h2::request(1, head)));
  bench.advance(1s);
  CHECK(asked(bench, 1) == 0);
  seen.read(bench.ask(client, h2::grow(1, 1000)));
  CHECK(seen.stream(1).ended);
  CHECK(asked(bench, 1) == 0);
  bench.advance(600ms);
  CHECK(asked(bench, 1) == 1);
  CHECK(asked(bench, 1) == 0);
  bench.advance(1100ms);
  bench.advance(3s);  // its last words are waited for
  seen.read(bench.ask(client, ""));
  CHECK(seen.goaway_code() == 0);
  CHECK(bench.worker->connections.count() == 0);
}

TEST_CASE("connections at rest are cut with the others") {
  Bench bench(house());
  const auto client = rested(bench);
  const auto awake = bench.connect();
  cut(bench);
  CHECK(client->closed());
  CHECK(awake->closed());
  CHECK(bench.worker->connections.count() == 0);
}

TEST_CASE("a connection may rest when its worker dies") {
  std::shared_ptr<Script> client;
  {
    Bench bench(house());
    client = rested(bench);
  }
  CHECK(client->closed());
}

TEST_CASE("an idle connection's time is the same at rest") {
  Bench bench(house());
  SUBCASE("between requests") {
    const auto client = rested(bench);
    bench.advance(58s);
    CHECK_FALSE(client->closed());
    bench.advance(2s);
    CHECK(client->write_ended());
    CHECK(client->closed());
  }
  SUBCASE("before the first one") {
    const auto client = bench.connect();
    bench.advance(1s);
    REQUIRE(bench.worker->clients.size() == 0);
    bench.advance(8s);
    CHECK_FALSE(client->closed());
    bench.advance(2s);
    CHECK(client->closed());
  }
  SUBCASE("begins anew with each answer") {
    const auto client = rested(bench);
    bench.advance(50s);
    bench.ask(client, get_one);
    bench.advance(50s);
    bench.advance(9s);
    CHECK_FALSE(client->closed());
    bench.advance(2s);
    CHECK(client->closed());
  }
  CHECK(bench.worker->connections.count() + bench.worker->clients.size() == 0);
}

TEST_CASE("a connection that is retired at rest ends after the grace that idle ones have") {
  Bench bench(house());
  const auto client = rested(bench);
  bench.worker->connections.retire();
  bench.advance(900ms);
  CHECK_FALSE(client->closed());
  SUBCASE("without a request") {
    bench.advance(400ms);
    CHECK(client->closed());
  }
  SUBCASE("or with the answer to one that was on its way") {
    const std::string answer = bench.ask(client, get_one);
    CHECK(holds(answer, "Connection: close\r\n"));
    CHECK(answer.ends_with("one"));
    client->end();
    bench.settle();
    CHECK(client->closed());
  }
  CHECK(bench.worker->connections.count() == 0);
}

TEST_CASE("a connection at rest keeps no snapshot alive and is served by the new one") {
  Bench bench(house());
  const auto client = rested(bench);
  const std::weak_ptr<const serve::Snapshot> old = bench.worker->snapshot;
  auto next = house();
  next.sites[0].routes[0].respond->body = "two";
  bench.publish(next);
  CHECK(old.expired());
  CHECK(bench.ask(client, get_one).ends_with("two"));
}

TEST_CASE("requests are counted over all rests, as far as a connection may carry them") {
  auto config = house();
  config.server.limits.requests_per_connection = 3;
  Bench bench(config);
  const auto client = rested(bench);
  CHECK_FALSE(holds(bench.ask(client, get_one), "Connection: close\r\n"));
  bench.advance(1s);
  REQUIRE(bench.worker->clients.size() == 0);
  CHECK(holds(bench.ask(client, get_one), "Connection: close\r\n"));
}

TEST_CASE("a connection that rested before its first octet may begin with HTTP/2") {
  Bench bench(house());
  const auto client = bench.connect();
  bench.advance(1s);
  REQUIRE(bench.worker->clients.size() == 0);
  const std::string settings =
      bench.ask(client, std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33));
  REQUIRE(settings.size() > 9);
  CHECK(settings[3] == 4);  // RFC 9113 §6.5
  bench.advance(2s);
  CHECK(bench.worker->clients.size() == 1);  // HTTP/2 rests later
}

namespace {

/// An HTTP/2 connection that rests after a request.
struct RestedH2 {
  explicit RestedH2(Bench& of) : bench(of), client(of.connect()) {
    ask(h2::hello() + h2::frame(h2::settings, h2::ack, 0));
    ask_for(1);
    bench.advance(4s);
    REQUIRE(bench.worker->clients.size() > 0);
    fall_asleep();
  }
  void ask(const std::string& octets) { seen.read(bench.ask(client, octets)); }
  void ask_for(std::uint32_t stream) {
    ask(h2::request(
        stream,
        {{":method", "GET"}, {":scheme", "http"}, {":authority", "a.example"}, {":path", "/one"}}));
    CHECK(seen.stream(stream).status() == 200);
  }
  void fall_asleep() {
    bench.advance(6s);
    REQUIRE(bench.worker->clients.size() == 0);  // no task
    REQUIRE(bench.worker->connections.count(State::idle) == 1);
  }
  /// Hears what is left to be said.
  void hear() { ask(""); }

  Bench& bench;
  std::shared_ptr<Script> client;
  h2::Reader seen;
};

}  // namespace

TEST_CASE("an HTTP/2 connection at rest takes its next requests, and rests again between them") {
  Bench bench(house());
  RestedH2 rested(bench);
  for (const std::uint32_t stream : {3U, 5U, 7U}) {
    rested.ask_for(stream);
    CHECK(rested.seen.stream(stream).body == "one");
    CHECK(bench.worker->clients.size() > 0);
    rested.fall_asleep();
  }
  rested.ask(h2::frame(h2::ping, 0, 0, "12345678"));
  CHECK(rested.seen.count(h2::ping) == 1);
  rested.fall_asleep();
  CHECK(bench.worker->counters.requests == 4);
  CHECK(bench.worker->connections.count() == 1);
}

TEST_CASE("an HTTP/2 connection at rest keeps no snapshot alive and is served by the new one") {
  Bench bench(house());
  RestedH2 rested(bench);
  const std::weak_ptr<const serve::Snapshot> old = bench.worker->snapshot;
  auto next = house();
  next.sites[0].routes[0].respond->body = "two";
  bench.publish(next);
  CHECK(old.expired());
  rested.ask_for(3);
  CHECK(rested.seen.stream(3).body == "two");
}

TEST_CASE("an HTTP/2 connection at rest ends like any other") {
  Bench bench(house());
  RestedH2 rested(bench);
  SUBCASE("after its idle time, with a goodbye") {
    bench.advance(48s);
    CHECK_FALSE(rested.client->closed());
    rested.hear();
    CHECK(rested.seen.goaway_code() == -1);
    bench.advance(3s);
    rested.hear();
    CHECK(rested.seen.goaway_code() == 0);
    bench.advance(3s);
  }
  SUBCASE("when its client ends it") {
    rested.client->end();
    bench.settle();
  }
  SUBCASE("when it breaks") {
    rested.client->cut();
    bench.settle();
  }
  SUBCASE("when its listener goes, with a goodbye") {
    asio::post(bench.worker->io, [&] { bench.worker->connections.retire(); });
    bench.advance(500ms);
    rested.hear();
    CHECK(rested.seen.goaway_code() == 0);
    CHECK(rested.seen.goaway_last() == (1U << 31) - 1);  // a request may be on its way (§6.8)
    rested.ask_for(3);
    bench.advance(1500ms);
    rested.hear();
    CHECK(rested.seen.goaway_last() == 3);
    bench.advance(3s);
  }
  SUBCASE("when others want its place, with a goodbye") {
    CHECK(asked(bench, 1) == 1);
    CHECK(asked(bench, 1) == 0);
    bench.advance(1500ms);
    rested.hear();
    CHECK(rested.seen.goaway_code() == 0);
    bench.advance(3s);
  }
  SUBCASE("when all are cut, with a goodbye") {
    cut(bench);
    rested.hear();
    CHECK(rested.seen.goaway_code() == 0);
  }
  CHECK(rested.client->closed());
  CHECK(bench.worker->connections.count() + bench.worker->clients.size() == 0);
}

TEST_CASE("an HTTP/2 connection may rest when its worker dies") {
  std::shared_ptr<Script> client;
  {
    Bench bench(house());
    client = RestedH2(bench).client;
  }
  CHECK(client->closed());
}

TEST_CASE("what a handshake settled is known after a rest") {
  Bench bench(house());
  bench.worker->certificates.put("b.example", certificates_for({"b.example"}),
                                 tls::CertificateIndex::Need::now);
  TlsClient client(bench, "b.example", {"http/1.1"});
  REQUIRE(client.done());
  for (int i = 0; i < 2; ++i) {
    const std::string answer = client.ask("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n");
    CHECK(holds(answer, "tls: TLSv1.3, TLS_"));
    CHECK(holds(answer, "server name: b.example\n"));
    CHECK(holds(answer, "client: 192.0.2.7\n"));
    bench.advance(1s);
    CHECK(bench.worker->clients.size() == 0);
  }
  bench.advance(60s);
  CHECK(client.ended());
  CHECK(client.server().closed());
  CHECK(bench.worker->connections.count() == 0);
}

TEST_CASE("HTTP/2 over TLS goes on after a rest") {
  Bench bench(house());
  bench.worker->certificates.put("b.example", certificates_for({"b.example"}),
                                 tls::CertificateIndex::Need::now);
  TlsClient client(bench, "b.example", {"h2"});
  REQUIRE(client.done());
  h2::Reader seen;
  seen.read(client.ask(h2::hello() + h2::frame(h2::settings, h2::ack, 0)));
  for (const std::uint32_t stream : {1U, 3U, 5U}) {
    seen.read(client.ask(h2::request(
        stream,
        {{":method", "GET"}, {":scheme", "https"}, {":authority", "b.example"}, {":path", "/"}})));
    CHECK(holds(seen.stream(stream).body, "server name: b.example\n"));
    bench.advance(10s);
    CHECK(bench.worker->clients.size() == 0);
  }
  bench.advance(61s);
  CHECK(client.ended());
  bench.advance(3s);  // its last words are waited for
  CHECK(client.server().closed());
  CHECK(bench.worker->connections.count() == 0);
}

}  // namespace resting_test
