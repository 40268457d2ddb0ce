// PROXY headers towards servers.

#include "core/net/proxy_header.hpp"
#include "tests/proxy/forward/pair.hpp"

namespace introduction_test {

using namespace gatehouse;
using namespace gatehouse::test;

namespace {

/// A Pair whose server is told who its clients are.
struct Introduced : Pair {
  explicit Introduced(int version) {
    bench.backend.proxy_protocol = version;
    bench.serve_by({&server});
  }
  /// Cuts the header off what a new connection has said, once more than the header has come.
  net::ProxyHeader header(std::size_t index) {
    RawSocket& connection = at_server(index);
    net::ProxyHeader read;
    bench.until([&] {
      const auto parsed = net::parse_proxy_header(connection.received);
      if (parsed) read = *parsed;
      return read.length != 0 && connection.received.size() > read.length;
    });
    connection.received.erase(0, read.length);
    return read;
  }
};

}  // namespace

TEST_CASE("a server that wants it is told its client's address before the request") {
  for (const int version : {1, 2}) {
    CAPTURE(version);
    Introduced pair(version);
    pair.client->send(get);
    const net::ProxyHeader header = pair.header(0);
    CHECK(header.source.to_string() == "127.0.0.1");
    CHECK(header.destination.to_string() == "127.0.0.1");
    CHECK(pair.request(0).starts_with("GET /a%2Fb?x=1&y=%20 HTTP/1.1\r\n"));
    pair.at_server(0).send(ok);
    CHECK(body_of(pair.answer()) == "ok");
  }
}

TEST_CASE("an introduced connection carries no second request, whoever asks") {
  Introduced pair(2);
  for (std::size_t i = 0; i < 3; ++i) {
    pair.client->send(get);
    pair.header(i);
    pair.request(i);
    pair.at_server(i).send(ok);
    CHECK(pair.answer().starts_with("HTTP/1.1 200 "));
    pair.bench.until([&] { return pair.at_server(i).ended(); });
  }
  CHECK(pair.server.connections.size() == 3);
}

TEST_CASE("the client behind a trusted proxy is the one that is told, without a port") {
  Introduced pair(2);
  pair.bench.trusted = {"127.0.0.0/8"};
  pair.bench.publish();
  pair.client = pair.bench.connect();
  pair.client->send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.9\r\n\r\n");
  const net::ProxyHeader header = pair.header(0);
  CHECK(header.source.to_string() == "198.51.100.9");
  CHECK(header.source_port == 0);
}

TEST_CASE("the header goes before the TLS handshake") {
  Introduced pair(1);
  pair.bench.backend.servers[0].scheme = config::BackendServer::Scheme::https;
  pair.bench.publish();
  pair.client->send(get);
  pair.header(0);
  pair.bench.until([&] { return pair.at_server(0).received.size() > 5; });
  CHECK(pair.at_server(0).received.starts_with("\x16\x03"));  // a handshake record
  pair.at_server(0).reset();
  CHECK(pair.answer().starts_with("HTTP/1.1 502 "));
}

TEST_CASE("connections of before are not used once the server wants to be told") {
  Pair pair;
  pair.ask(get, ok);
  pair.bench.backend.proxy_protocol = 1;
  pair.bench.publish();
  pair.client->send(get);
  pair.bench.until([&] { return pair.at_server(1).received.ends_with("\r\n\r\n"); });
  CHECK(pair.at_server(1).received.starts_with("PROXY TCP4 127.0.0.1 "));
  pair.at_server(1).send(ok);
  CHECK(pair.answer().starts_with("HTTP/1.1 200 "));
}

}  // namespace introduction_test
