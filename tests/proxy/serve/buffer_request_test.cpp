#include <doctest/doctest.h>

#include "proxy/serve/backend/pools.hpp"
#include "tests/proxy/serve/answers.hpp"
#include "tests/proxy/serve/bench.hpp"

namespace buffer_request_test {

using namespace gatehouse;
using namespace gatehouse::serve;
using namespace std::chrono_literals;
using gatehouse::test::Script;
using gatehouse::test::status_of;

namespace {

/// A site that reads up to ten octets of a body before it dials one of its servers.
struct BufferedSite {
  std::unique_ptr<serve::test::Bench> bench;
  std::shared_ptr<Script> client;

  explicit BufferedSite(std::uint16_t servers = 2) {
    config::Backend backend;
    backend.name = "app";
    backend.retries = 1;
    for (std::uint16_t port = 1; port <= servers; ++port) {
      config::BackendServer made;
      made.host = "127.0.0.1";
      made.port = port;
      made.text = "127.0.0.1:" + std::to_string(port);
      backend.servers.push_back(made);
    }
    config::Route route;
    route.backend = "app";
    route.buffer_request = 10;
    route.max_body = 100;
    auto site = serve::test::site_for({"a.example"}, config::TlsMode::off, {route});
    auto config = serve::test::config_with({site});
    config.backends.push_back(backend);
    bench = std::make_unique<serve::test::Bench>(std::move(config));
    client = bench->connect();
  }
  std::string send(std::string_view octets) { return bench->ask(client, octets); }
  std::size_t dialled() const { return bench->dialer.dialled().size(); }
};

const std::string chunked =
    "PUT / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n";

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("no server is dialled before the buffer is full or the body is over") {
  BufferedSite site;
  const auto server = site.bench->dialer.lead();
  site.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 8\r\n\r\n1234");
  CHECK(site.dialled() == 0);
  site.send("5678");
  CHECK(site.dialled() == 1);
  CHECK(holds(server->written(), "Content-Length: 8\r\n"));
  CHECK(server->written().ends_with("\r\n\r\n12345678"));
}

TEST_CASE("a body in chunks that fits whole is told with its length") {
  BufferedSite site;
  const auto server = site.bench->dialer.lead();
  site.send(chunked + "4\r\n1234\r\n");
  CHECK(site.dialled() == 0);
  site.send("0\r\n\r\n");
  CHECK(holds(server->written(), "Content-Length: 4\r\n"));
  CHECK_FALSE(holds(server->written(), "Transfer-Encoding"));
  CHECK(server->written().ends_with("\r\n\r\n1234"));
}

TEST_CASE("an empty body in chunks becomes one of no octets") {
  BufferedSite site;
  const auto server = site.bench->dialer.lead();
  site.send(chunked + "0\r\n\r\n");
  CHECK(holds(server->written(), "Content-Length: 0\r\n"));
  CHECK(server->written().ends_with("\r\n\r\n"));
}

TEST_CASE("trailers keep a body in chunks") {
  BufferedSite site;
  const auto server = site.bench->dialer.lead();
  site.send(chunked + "4\r\n1234\r\n0\r\nX-Sum: 4\r\n\r\n");
  CHECK(holds(server->written(), "Transfer-Encoding: chunked\r\n"));
  CHECK(holds(server->written(), "1234\r\n0\r\nX-Sum: 4\r\n\r\n"));
}

TEST_CASE("what is longer than the buffer streams on behind its beginning") {
  BufferedSite site;
  const auto server = site.bench->dialer.lead();
  site.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 30\r\n\r\n1234567890");
  CHECK(site.dialled() == 1);
  CHECK(server->written().ends_with("\r\n\r\n1234567890"));
  site.send("abcdefghij");
  CHECK(server->written().ends_with("1234567890abcdefghij"));
  site.send("ABCDEFGHIJ");
  server->send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  CHECK(status_of(site.send("")) == 200);
  CHECK(server->written().ends_with("1234567890abcdefghijABCDEFGHIJ"));
}

TEST_CASE("a request whose body is held is sent again to the next server") {
  BufferedSite site;
  site.bench->dialer.refuse();
  const auto server = site.bench->dialer.lead();
  site.send(chunked + "4\r\n1234\r\n0\r\n\r\n");
  CHECK(site.dialled() == 2);
  CHECK(server->written().ends_with("\r\n\r\n1234"));
  server->send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
  CHECK(status_of(site.send("")) == 201);
}

TEST_CASE("a stale connection costs a held body no error") {
  BufferedSite site(1);
  const auto stale = site.bench->dialer.lead();
  const auto fresh = site.bench->dialer.lead();
  site.send(chunked + "1\r\nx\r\n0\r\n\r\n");
  stale->send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  CHECK(status_of(site.send("")) == 200);
  stale->cut_writes_after(stale->written().size() + 10);
  site.send(chunked + "3\r\nabc\r\n0\r\n\r\n");
  stale->cut();
  site.bench->settle();
  CHECK(site.dialled() == 2);
  CHECK(fresh->written().ends_with("\r\n\r\nabc"));
  fresh->send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  CHECK(status_of(site.send("")) == 200);
}

TEST_CASE("a client that fails while its body is awaited is answered, and no server hears of it") {
  SUBCASE("too slow") {
    BufferedSite site;
    site.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 8\r\n\r\n1234");
    site.bench->advance(61s);
    CHECK(status_of(site.send("")) == 408);
    CHECK(site.dialled() == 0);
  }
  SUBCASE("broken chunks") {
    BufferedSite site;
    CHECK(status_of(site.send(chunked + "xyz\r\n")) == 400);
    CHECK(site.dialled() == 0);
  }
  SUBCASE("gone") {
    BufferedSite site;
    site.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 8\r\n\r\n1234");
    site.client->cut();
    site.bench->settle();
    CHECK(site.client->closed());
    CHECK(site.dialled() == 0);
  }
}

TEST_CASE("a client that waits to be told to go on is told when its body is read") {
  BufferedSite site;
  const auto server = site.bench->dialer.lead();
  const std::string told = site.send(
      "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  CHECK(told == "HTTP/1.1 100 Continue\r\n\r\n");
  CHECK(site.dialled() == 0);
  site.send("1234");
  CHECK(server->written().ends_with("\r\n\r\n1234"));
}

}  // namespace buffer_request_test
