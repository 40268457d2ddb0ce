#include "tests/proxy/forward/bench.hpp"
#include "tests/support/h2_peer.hpp"

namespace h2_test {

using namespace gatehouse;
using namespace gatehouse::test;

namespace {

const std::string get = "GET /a?b HTTP/1.1\r\nHost: a.example\r\n\r\n";
const std::string post = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nbody";

/// One connection of a server that speaks HTTP/2, frame by frame.
class Peer {
 public:
  Peer(Bench& bench, RawServer& server, std::size_t index, const std::string& settings = {})
      : bench_(bench) {
    bench.until([&] { return server.connections.size() > index; });
    socket_ = server.connections[index].get();
    send(h2::frame(h2::settings, 0, 0, settings) + h2::frame(h2::settings, h2::ack, 0));
  }
  void send(const std::string& bytes) {
    socket_->send(bytes);
    look();
  }
  void look() {
    bench_.settle();
    seen_.read(socket_->received);
    socket_->received.clear();
  }
  h2::Reader::Message& request(std::uint32_t id) {
    look();
    return seen_.stream(id);
  }
  void answer(std::uint32_t id, const std::string& text, int status = 200) {
    send(h2::request(id, {{":status", std::to_string(status)}}, false) + h2::body(id, text, true));
  }
  h2::Reader& seen() { return seen_; }
  RawSocket& socket() { return *socket_; }

 private:
  Bench& bench_;
  RawSocket* socket_ = nullptr;
  h2::Reader seen_;
};

struct H2cBench : Bench {
  explicit H2cBench(const std::vector<RawServer*>& with) {
    for (RawServer* server : with) watch(*server);
    backend.servers.clear();
    for (RawServer* server : with) {
      config::BackendServer made;
      made.scheme = config::BackendServer::Scheme::h2c;
      made.host = "127.0.0.1";
      made.port = server->port();
      made.text = "h2c://127.0.0.1:" + std::to_string(server->port());
      backend.servers.push_back(made);
    }
    publish();
  }
};

}  // namespace

TEST_CASE("requests share one HTTP/2 connection to their server and are answered in any order") {
  RawServer server;
  H2cBench bench({&server});
  const auto first = bench.connect();
  const auto second = bench.connect();
  first->send(get);
  bench.settle();
  second->send(get);  // while the connection is being made
  Peer peer(bench, server, 0);
  CHECK(peer.request(1).field(":method") == "GET");
  CHECK(peer.request(1).field(":path") == "/a?b");
  CHECK(peer.request(1).field(":authority") == "a.example");
  CHECK(peer.request(1).field(":scheme") == "http");
  CHECK(peer.request(1).field("host").empty());
  CHECK(peer.request(1).field("x-forwarded-for") == "127.0.0.1");
  CHECK(peer.request(1).ended);
  peer.answer(3, "two");
  bench.until([&] { return second->received.ends_with("two\r\n0\r\n\r\n"); });
  CHECK(first->received.empty());
  peer.answer(1, "one");
  bench.until([&] { return first->received.ends_with("one\r\n0\r\n\r\n"); });
  first->received.clear();
  first->send(get);
  bench.settle();
  peer.answer(5, "three", 404);
  bench.until([&] { return first->received.starts_with("HTTP/1.1 404"); });
  CHECK(server.connections.size() == 1);
  bench.until([&] { return bench.outcomes.size() == 3; });
  CHECK(bench.outcomes[0].reused != bench.outcomes[1].reused);
  CHECK(bench.outcomes[2].reused);
  CHECK(bench.pool()->shared() == 1);
  CHECK(bench.pool()->standing().in_flight == 0);
  bench.forget();
}

TEST_CASE("what a server allows is kept to: the next request gets a connection of its own") {
  RawServer server;
  H2cBench bench({&server});
  const auto first = bench.connect();
  const auto second = bench.connect();
  first->send(get);
  Peer peer(bench, server, 0, h2::setting(3, 1));
  CHECK(peer.request(1).ended);
  second->send(get);
  Peer other(bench, server, 1);
  CHECK(other.request(1).ended);
  other.answer(1, "two");
  bench.until([&] { return second->received.ends_with("two\r\n0\r\n\r\n"); });
  peer.answer(1, "one");
  bench.until([&] { return first->received.ends_with("one\r\n0\r\n\r\n"); });
  bench.forget();
}

TEST_CASE("a request that its server surely did not process goes again, whatever its method") {
  RawServer server;
  RawServer spare;
  H2cBench bench({&server});
  const auto client = bench.connect();
  client->send(post);
  Peer peer(bench, server, 0);
  CHECK(peer.request(1).body == "body");
  SUBCASE("past a GOAWAY: over a new connection") {
    peer.send(h2::frame(h2::goaway, 0, 0, h2::number(0) + h2::number(0)));
    Peer next(bench, server, 1);
    CHECK(next.request(1).body == "body");
    next.answer(1, "ok");
  }
  SUBCASE("a refused stream: as a new one") {
    peer.send(h2::reset(1, 7));
    CHECK(peer.request(3).body == "body");
    peer.answer(3, "ok");
    CHECK(server.connections.size() == 1);
  }
  bench.until([&] { return client->received.ends_with("ok\r\n0\r\n\r\n"); });
  bench.until([&] { return bench.outcomes.size() == 1; });
  CHECK(bench.outcomes[0].status == 200);
  CHECK(bench.outcomes[0].attempts == 2);
  bench.forget();
}

TEST_CASE("a POST whose stream broke in the middle is never sent twice") {
  RawServer server;
  H2cBench bench({&server});
  const auto client = bench.connect();
  client->send(post);
  Peer peer(bench, server, 0);
  CHECK(peer.request(1).body == "body");
  SUBCASE("reset") { peer.send(h2::reset(1, 2)); }
  SUBCASE("the connection ended") { peer.socket().finish(); }
  bench.until([&] { return whole_message(client->received); });
  CHECK(client->received.starts_with("HTTP/1.1 502"));
  CHECK(server.connections.size() == 1);
  bench.forget();
}

TEST_CASE("an HTTP/2 connection without requests ends when its idle time is up") {
  RawServer server;
  H2cBench bench({&server});
  bench.backend.idle_timeout = 5s;
  bench.publish();
  const auto client = bench.connect();
  client->send(get);
  Peer peer(bench, server, 0);
  CHECK(peer.request(1).ended);
  peer.answer(1, "ok");
  bench.until([&] { return client->received.ends_with("ok\r\n0\r\n\r\n"); });
  for (int i = 0; i < 12; ++i) bench.advance(500ms);
  peer.look();
  CHECK(peer.seen().goaway_code() == 0);
  bench.until([&] { return peer.socket().ended(); });
  for (int i = 0; i < 4; ++i) bench.advance(500ms);
  CHECK(bench.pool()->shared() == 0);
  bench.forget();
}

TEST_CASE("a server that leaves the config answers what it has, then its connection ends") {
  RawServer server;
  RawServer next;
  H2cBench bench({&server});
  const auto client = bench.connect();
  client->send(get);
  Peer peer(bench, server, 0);
  CHECK(peer.request(1).ended);
  bench.watch(next);
  bench.serve_by({&next});
  bench.settle();
  CHECK_FALSE(peer.socket().ended());
  peer.answer(1, "late");
  bench.until([&] { return client->received.ends_with("late\r\n0\r\n\r\n"); });
  bench.advance(200ms);
  bench.until([&] { return peer.socket().ended(); });
  bench.forget();
}

TEST_CASE("a server that does not speak HTTP/2 after all is a 502 and nothing was processed") {
  RawServer server;
  H2cBench bench({&server});
  const auto client = bench.connect();
  client->send(post);
  bench.until([&] { return server.connections.size() == 1; });
  server.connections[0]->send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  bench.until([&] { return whole_message(client->received); });
  CHECK(client->received.starts_with("HTTP/1.1 502"));
  bench.settle();
  CHECK(server.connections[0]->received.find("body") == std::string::npos);
  CHECK(bench.pool()->standing().avoid_until > bench.clock.steady());
  bench.forget();
}

TEST_CASE("a client that goes away cancels its stream and no other") {
  RawServer server;
  H2cBench bench({&server});
  const auto gone = bench.connect();
  const auto stays = bench.connect();
  gone->send(get);
  Peer peer(bench, server, 0);
  stays->send(get);
  CHECK(peer.request(3).ended);
  gone->reset();
  bench.settle();
  bench.advance(500ms);
  CHECK(peer.request(1).reset == 8);
  peer.answer(3, "ok");
  bench.until([&] { return stays->received.ends_with("ok\r\n0\r\n\r\n"); });
  bench.forget();
}

TEST_CASE("interim heads and trailers pass from HTTP/2 to HTTP/1") {
  RawServer server;
  H2cBench bench({&server});
  const auto client = bench.connect();
  client->send("GET / HTTP/1.1\r\nHost: a.example\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
  Peer peer(bench, server, 0);
  CHECK(peer.request(1).field("te") == "trailers");
  peer.send(h2::request(1, {{":status", "103"}, {"link", "</a>"}}, false) +
            h2::request(1, {{":status", "200"}}, false) + h2::body(1, "text", false) +
            h2::request(1, {{"x-sum", "7"}}, true));
  bench.until([&] { return client->received.ends_with("x-sum: 7\r\n\r\n"); });
  CHECK(client->received.starts_with("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"));
  bench.forget();
}

TEST_CASE("a WebSocket goes by extended CONNECT where the server takes it") {
  const std::string upgrade =
      "GET /chat HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  RawServer server;
  H2cBench bench({&server});
  const auto client = bench.connect();
  client->send(upgrade);
  SUBCASE("it does") {
    Peer peer(bench, server, 0, h2::setting(8, 1));
    CHECK(peer.request(1).field(":method") == "CONNECT");
    CHECK(peer.request(1).field(":protocol") == "websocket");
    CHECK(peer.request(1).field(":path") == "/chat");
    CHECK(peer.request(1).field("sec-websocket-key").empty());
    CHECK(peer.request(1).field("sec-websocket-version") == "13");
    CHECK_FALSE(peer.request(1).ended);
    peer.send(h2::request(1, {{":status", "200"}}, false) + h2::body(1, "early", false));
    bench.until([&] { return client->received.ends_with("early"); });
    CHECK(client->received.starts_with("HTTP/1.1 101 "));
    CHECK(field_of(client->received, "Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    CHECK(bench.worker->connections.tunnels() == 1);
    client->send("to the server");
    bench.settle();
    CHECK(peer.request(1).body == "to the server");
    client->finish();
    bench.settle();
    CHECK(peer.request(1).ended);
    peer.send(h2::body(1, "bye", true));
    bench.until([&] { return client->ended(); });
    CHECK(client->received.ends_with("bye"));
    bench.until([&] { return bench.outcomes.size() == 1; });
    CHECK(bench.outcomes[0].status == 101);
  }
  SUBCASE("it does not") {
    Peer peer(bench, server, 0);
    bench.until([&] { return whole_message(client->received); });
    CHECK(client->received.starts_with("HTTP/1.1 502"));
    CHECK(bench.pool()->standing().avoid_until < bench.clock.steady());
    // Nor is it asked again.
    const auto next = bench.connect();
    next->send(upgrade);
    bench.until([&] { return whole_message(next->received); });
    CHECK(next->received.starts_with("HTTP/1.1 502"));
    CHECK(server.connections.size() == 1);
  }
  bench.forget();
}

TEST_CASE("a stream that its client does not read stalls no other") {
  RawServer server;
  H2cBench bench({&server});
  const auto slow = bench.connect();
  const auto fast = bench.connect();
  slow->small_receive_buffer(4096);
  slow->stop_reading();
  slow->send(get);
  Peer peer(bench, server, 0);
  CHECK(peer.request(1).ended);
  peer.send(h2::request(1, {{":status", "200"}}, false));
  const std::string piece(16 * 1024, 'x');
  for (int i = 0; i < 4; ++i) peer.send(h2::body(1, piece, false));
  fast->send(get);
  bench.settle();
  CHECK(peer.request(3).ended);
  peer.answer(3, "quick");
  bench.until([&] { return fast->received.ends_with("quick\r\n0\r\n\r\n"); });
  bench.forget();
}

}  // namespace h2_test
