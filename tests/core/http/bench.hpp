#pragma once

#include <boost/asio/detached.hpp>
#include <functional>

#include "core/http/h1_client.hpp"
#include "core/http/h1_server.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/scripted_stream.hpp"

namespace gatehouse::test {

using namespace std::chrono_literals;
using net::Want;

/// One connection of the server's side whose client is a script. The road is a function that
/// answers an exchange.
class ServerBench {
 public:
  using Road = std::function<awaitable<void>(http::ServerExchange&)>;

  explicit ServerBench(Road road, http::H1ServerSettings settings = {})
      : pool(block_bytes),
        date(clock),
        client(std::make_shared<Script>()),
        stream(client, clock),
        connection(stream, http::H1Worker{clock, pool, date}, settings),
        road_(std::move(road)) {}

  void start() {
    asio::co_spawn(io, serve(), asio::detached);
    settle();
  }
  /// Runs until nothing can move without the test.
  void settle() {
    io.restart();
    io.poll();
  }
  void advance(std::chrono::milliseconds by) {
    clock.advance(by);
    settle();
  }
  void send(std::string_view bytes) {
    client->send(bytes);
    settle();
  }
  /// Everything a client sends, then its end of sending; the whole dialogue runs.
  std::string talk(std::string_view bytes) {
    client->send(bytes);
    client->end();
    start();
    return client->written();
  }

  static constexpr std::size_t block_bytes = 32 * 1024;
  FakeClock clock;
  asio::io_context io;
  net::BufferPool pool;
  http::HttpDate date;
  std::shared_ptr<Script> client;
  ScriptedStream stream;
  http::H1ServerConnection connection;
  int exchanges = 0;
  bool over = false;
  Error ended;  // what next() said last, if it was an error

 private:
  awaitable<void> serve() {
    for (;;) {
      auto exchange = co_await connection.next();
      if (!exchange) ended = exchange.error();
      if (!exchange || *exchange == nullptr) break;
      ++exchanges;
      co_await road_(**exchange);
    }
    over = true;
  }

  Road road_;
};

/// Answers 200 with the request's method and target as its body.
inline awaitable<void> echo_target(http::ServerExchange& exchange) {
  const http::RequestHead& request = exchange.request();
  std::string body = std::string(request.method) + " " + std::string(request.path);
  http::ResponseHead head;
  head.status = 200;
  head.length = http::BodyLength::counted(body.size());
  co_await exchange.send_head(head);
  co_await exchange.send_body(body, http::End::last);
}

/// Answers 200 with the request's body, chunked; 400 or 413 when it cannot be read.
inline awaitable<void> echo_body(http::ServerExchange& exchange) {
  std::string body;
  http::ResponseHead head;
  head.status = 200;
  for (bool last = false; !last;) {
    auto piece = co_await exchange.read_body();
    if (!piece) {
      switch (piece.error().fault()) {
        case Fault::limit:
          head.status = 413;
          break;
        case Fault::timeout:
          head.status = 408;
          break;
        default:
          head.status = 400;
      }
      body = piece.error().detail();
      exchange.close_after();
      break;
    }
    body += piece->bytes;
    last = piece->last;
  }
  head.length = http::BodyLength::streamed();
  co_await exchange.send_head(head);
  co_await exchange.send_body(body, http::End::last);
}

/// The status of the first answer in `text`, 0 when there is none.
inline int status_of(std::string_view text) {
  if (!text.starts_with("HTTP/1.1 ")) return 0;
  return std::stoi(std::string(text.substr(9, 3)));
}

inline std::size_t occurrences(std::string_view text, std::string_view of) {
  std::size_t found = 0;
  for (auto at = text.find(of); at != std::string_view::npos; at = text.find(of, at + of.size())) {
    ++found;
  }
  return found;
}

}  // namespace gatehouse::test
