#include "proxy/serve/tunnel.hpp"

#include <boost/asio/detached.hpp>

#include "tests/proxy/forward/pair.hpp"
#include "tests/support/onlooker.hpp"
#include "tests/support/scripted_stream.hpp"

namespace tunnel_test {

using namespace gatehouse;
using namespace gatehouse::test;

namespace {

const std::string key = "dGhlIHNhbXBsZSBub25jZQ==";  // RFC 6455 §1.3
const std::string accept_value = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const std::string upgrade =
    "GET /chat HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: " +
    key +
    "\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: chat\r\nOrigin: http://a.example\r\n\r\n";

std::string switched(const std::string& accepted = accept_value) {
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: " +
         accepted + "\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
}

/// A Pair that speaks WebSocket.
struct Chat : Pair {
  void open() {
    client->send(upgrade);
    request();
    at_server().send(switched());
    bench.until([&] { return client->received.ends_with("\r\n\r\n"); });
    client->received.clear();
  }
};

}  // namespace

TEST_CASE("the accept value is the one of RFC 6455") {
  CHECK(websocket_accept(key) == accept_value);
  CHECK(websocket_accept("Z2F0ZWhvdXNlLWtleS0wMQ==") == "cH8pjrT7Se/wYVKdRPbypVXCK8w=");
}

TEST_CASE("a WebSocket opens through us and octets pass both ways untouched") {
  Chat chat;
  chat.client->send(upgrade);
  const std::string head = chat.request();
  CHECK(field_of(head, "Upgrade") == "websocket");
  CHECK(field_of(head, "Connection") == "Upgrade");
  CHECK(field_of(head, "Sec-WebSocket-Key") == key);
  CHECK(field_of(head, "Sec-WebSocket-Protocol") == "chat");
  CHECK(field_of(head, "Origin") == "http://a.example");
  chat.at_server().send(switched());
  chat.bench.until([&] { return chat.client->received.ends_with("\r\n\r\n"); });
  CHECK(chat.client->received.starts_with("HTTP/1.1 101 "));
  CHECK(field_of(chat.client->received, "Sec-WebSocket-Accept") == accept_value);
  CHECK(field_of(chat.client->received, "Upgrade") == "websocket");
  chat.client->received.clear();

  const std::string up = std::string("\x81\x05\0\r\n", 5) + std::string(300'000, 'u');
  const std::string down(300'000, 'd');
  chat.client->send(up);
  chat.at_server().send(down);
  chat.bench.until([&] {
    return chat.at_server().received.size() == up.size() &&
           chat.client->received.size() == down.size();
  });
  CHECK(chat.at_server().received == up);
  CHECK(chat.client->received == down);
}

TEST_CASE("a client that opens a WebSocket first is pinned to its server, too") {
  Chat chat;
  chat.bench.backend.sticky_cookie = "pin";
  chat.bench.publish();
  chat.client->send(upgrade);
  chat.request();
  chat.at_server().send(switched());
  chat.bench.until([&] { return chat.client->received.ends_with("\r\n\r\n"); });
  CHECK(chat.client->received.starts_with("HTTP/1.1 101 "));
  CHECK(field_of(chat.client->received, "Set-Cookie").starts_with("pin="));
}

TEST_CASE("octets that came early are held until the switch and then delivered, both ways") {
  Chat chat;
  chat.client->send(upgrade + "early frame");
  CHECK(chat.request().ends_with("\r\n\r\n"));
  chat.bench.settle();
  CHECK(chat.at_server().received.empty());
  chat.at_server().send(switched() + "first words");
  chat.bench.until([&] { return chat.client->received.ends_with("first words"); });
  chat.bench.until([&] { return chat.at_server().received == "early frame"; });
}

TEST_CASE("after a refused switch the held octets are the client's next request") {
  Chat chat;
  chat.client->send(upgrade + "GET /next HTTP/1.1\r\nHost: a.example\r\n\r\n");
  chat.request();
  chat.at_server().send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
  const std::string next = chat.request();
  CHECK(next.starts_with("GET /next HTTP/1.1\r\n"));
  chat.at_server().send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes");
  chat.bench.until([&] { return chat.client->received.ends_with("yes"); });
  CHECK(chat.client->received.starts_with("HTTP/1.1 403 "));
}

TEST_CASE("a switch that does not answer the client's key is a 502") {
  Chat chat;
  chat.client->send(upgrade);
  chat.request();
  SUBCASE("another key's") { chat.at_server().send(switched("cH8pjrT7Se/wYVKdRPbypVXCK8w=")); }
  SUBCASE("none") {
    chat.at_server().send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  }
  SUBCASE("another protocol") {
    chat.at_server().send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Accept: " +
        accept_value + "\r\n\r\n");
  }
  chat.bench.until([&] { return whole_message(chat.client->received); });
  CHECK(chat.client->received.starts_with("HTTP/1.1 502 "));
  chat.bench.until([&] { return chat.at_server().ended(); });
}

TEST_CASE("when one side ends, the other may go on, but not for ever") {
  Chat chat;
  chat.open();
  RawSocket& server = chat.at_server();
  SUBCASE("the client ends") {
    chat.client->send("last");
    chat.client->finish();
    chat.bench.until([&] { return server.ended(); });
    CHECK(server.received == "last");
    server.send("still here");
    chat.bench.until([&] { return chat.client->received == "still here"; });
    CHECK_FALSE(chat.client->ended());
    SUBCASE("until the server ends too") { server.finish(); }
    SUBCASE("for a minute at most") {
      chat.bench.advance(40s);
      server.send("!");
      chat.bench.until([&] { return chat.client->received.ends_with("!"); });
      CHECK_FALSE(chat.client->ended());
      chat.bench.advance(21s);
    }
    chat.bench.until([&] { return chat.client->ended(); });
  }
  SUBCASE("the server ends") {
    server.finish();
    chat.bench.until([&] { return chat.client->ended(); });
    chat.client->send("thanks");
    chat.bench.until([&] { return server.received == "thanks"; });
    chat.client->finish();
  }
  chat.bench.until([&] { return chat.bench.outcomes.size() == 1; });
  CHECK(chat.bench.outcomes[0].status == 101);
  CHECK(chat.bench.outcomes[0].tunnel);
}

TEST_CASE("a tunnel lives through silence, but not through an hour of it") {
  Chat chat;
  chat.open();
  chat.bench.advance(59min);
  chat.client->send("ping");
  chat.bench.until([&] { return chat.at_server().received == "ping"; });
  chat.bench.advance(59min);
  chat.at_server().send("pong");
  chat.bench.until([&] { return chat.client->received == "pong"; });
  CHECK_FALSE(chat.client->ended());
  chat.bench.advance(61min);
  chat.bench.until([&] { return chat.client->ended() && chat.at_server().ended(); });
}

TEST_CASE("when one side breaks its connection, the tunnel ends on the other side too") {
  Chat chat;
  chat.open();
  SUBCASE("client") {
    chat.client->reset();
    chat.bench.until([&] { return chat.at_server().ended(); });
  }
  SUBCASE("server") {
    chat.at_server().reset();
    chat.bench.until([&] { return chat.client->ended(); });
  }
  chat.bench.until([&] { return chat.bench.connections_open() == 0; });
}

TEST_CASE("a tunnel reads one side no faster than the other takes it") {
  Chat chat;
  chat.open();
  chat.client->stop_reading();
  const std::size_t whole = 64 * 1024 * 1024;
  chat.at_server().send(std::string(whole, 'x'));
  chat.bench.settle();
  CHECK(chat.at_server().sent() < whole / 2);
  chat.client->read_again();
  chat.bench.until([&] { return chat.client->received.size() == whole; });
}

TEST_CASE("a tunnel whose sides are fast lets others have their turn") {
  asio::io_context io;
  FakeClock clock;
  net::BufferPool buffers(32 * 1024);
  const auto client = std::make_shared<Script>();
  const auto server = std::make_shared<Script>();
  ScriptedStream to_client(client, clock);
  ScriptedStream to_server(server, clock, Side::server);
  constexpr std::size_t whole = 8 * 1024 * 1024;
  const std::string piece(64 * 1024, 'x');
  for (std::size_t sent = 0; sent < whole; sent += piece.size()) server->send(piece);
  client->end();
  server->end();
  TunnelEnd client_end{to_client, {}};
  TunnelEnd server_end{to_server, {}};
  auto tunnel =
      run_tunnel(clock, buffers, std::move(client_end), std::move(server_end), TunnelLimits());
  asio::co_spawn(io, std::move(tunnel), asio::detached);
  const Onlooker onlooker(io, [&] { return client->written().size(); });
  io.poll();
  CHECK(client->written().size() == whole);
  CHECK(onlooker.longest() < whole / 4);
}

}  // namespace tunnel_test
