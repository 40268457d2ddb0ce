#pragma once

#include <boost/asio/detached.hpp>
#include <functional>

#include "core/http/h2_server.hpp"
#include "core/net/crew.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/h2_peer.hpp"
#include "tests/support/scripted_stream.hpp"

namespace gatehouse::test {

using namespace std::chrono_literals;

/// The same octets every time.
class FixedEntropy final : public Entropy {
 public:
  void fill(std::span<char> octets) override { std::fill(octets.begin(), octets.end(), 'k'); }
};

/// What a worker lends, with time that only the test moves.
struct H2Bench {
  H2Bench() : wheel(clock), date(clock), crew(io.get_executor()) { crew.add(wheel.run()); }
  ~H2Bench() {
    crew.stop();
    settle();
  }
  http::H2ServerWorker worker() { return {{io.get_executor(), clock, wheel, pool}, date, entropy}; }
  void settle() {
    io.restart();
    io.poll();
  }
  void advance(std::chrono::milliseconds by) {
    for (auto step = by; step > 0ms; step -= 250ms) {
      clock.advance(std::min<std::chrono::milliseconds>(step, 250ms));
      settle();
    }
  }

  FakeClock clock;
  asio::io_context io;
  net::DeadlineWheel wheel;
  net::BufferPool pool;
  http::HttpDate date;
  FixedEntropy entropy;
  net::Crew crew;
};

/// A server connection whose client is a script, and whose road is a function.
class H2ServerBench : public H2Bench, public http::H2Road {
 public:
  using Answer = std::function<awaitable<void>(http::ServerExchange&)>;

  using AtRest = http::H2Connection::AtRest;
  explicit H2ServerBench(Answer answer, http::H2ServerSettings settings = {},
                         AtRest at_rest = AtRest::wait)
      : client(std::make_shared<Script>()),
        stream(client, clock),
        answer_(std::move(answer)),
        at_rest_(at_rest) {
    connection = std::make_unique<http::H2ServerConnection>(stream, worker(), settings, *this);
    client->on_write([this](std::string_view bytes) { seen.read(bytes); });
    asio::co_spawn(io, run(), asio::detached);
  }
  ~H2ServerBench() override {
    client->cut();
    settle();
    crew.stop();
    settle();
  }

  void send(std::string_view bytes) {
    client->send(bytes);
    settle();
  }
  /// Hello, our SETTINGS acknowledged.
  void begin() { send(h2::hello() + h2::frame(h2::settings, h2::ack, 0)); }
  h2::Reader::Message& reply(std::uint32_t id) { return seen.stream(id); }

  void request(std::unique_ptr<http::ServerExchange> exchange) override {
    ++exchanges;
    crew.add(serve(std::move(exchange), &answer_));
  }
  void refused(const http::Refusal& refusal) override {
    refusals.emplace_back(std::to_string(refusal.status) + " " + std::string(refusal.reason));
  }

  std::shared_ptr<Script> client;
  ScriptedStream stream;
  std::unique_ptr<http::H2ServerConnection> connection;
  h2::Reader seen;
  int exchanges = 0;
  std::vector<std::string> refusals;
  bool over = false;

 private:
  static awaitable<void> serve(std::unique_ptr<http::ServerExchange> exchange, Answer* answer) {
    co_await (*answer)(*exchange);
  }
  awaitable<void> run() {
    const std::string nothing_early;
    co_await connection->run(nothing_early, at_rest_);
    over = true;
  }

  Answer answer_;
  AtRest at_rest_;
};

}  // namespace gatehouse::test
