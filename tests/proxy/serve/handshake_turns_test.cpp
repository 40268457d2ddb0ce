#include "proxy/serve/handshake_turns.hpp"

#include <doctest/doctest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <string>

namespace handshake_turns_test {

using namespace gatehouse;
using serve::HandshakeTurns;

namespace {

awaitable<void> shake(HandshakeTurns& turns, char name, std::string& order) {
  if (!turns.take()) co_await turns.next();
  order += name;
}

/// Something else that comes up again and again: one dot each time the loop comes round.
awaitable<void> dots(int count, std::string& order) {
  for (int i = 0; i < count; ++i) {
    order += '.';
    co_await asio::post(asio::use_awaitable);
  }
}

void begin(asio::io_context& io, awaitable<void> task) {
  asio::co_spawn(io, std::move(task), asio::detached);
}

}  // namespace

TEST_CASE("who comes alone has the turn at once, again and again") {
  asio::io_context io;
  HandshakeTurns turns(io);
  for (int i = 0; i < 3; ++i) {
    CHECK(turns.take());
    CHECK_FALSE(turns.take());
    io.restart();
    io.run();
  }
  CHECK(turns.waiting() == 0);
}

TEST_CASE("handshakes that come together go one by one, in order, and others in between") {
  asio::io_context io;
  HandshakeTurns turns(io);
  std::string order;
  for (const char name : {'a', 'b', 'c', 'd'}) begin(io, shake(turns, name, order));
  begin(io, dots(12, order));
  io.run();
  std::string handshakes;
  for (std::size_t at = 0; at < order.size(); ++at) {
    if (order[at] == '.') continue;
    handshakes += order[at];
    CAPTURE(order);
    if (at > 0) CHECK(order[at - 1] == '.');
  }
  CHECK(handshakes == "abcd");
}

TEST_CASE("one that comes while others wait is the last") {
  asio::io_context io;
  HandshakeTurns turns(io);
  std::string order;
  for (const char name : {'a', 'b', 'c'}) begin(io, shake(turns, name, order));
  while (order != "a") io.run_one();
  begin(io, shake(turns, 'd', order));
  io.run();
  CHECK(order == "abcd");
}

TEST_CASE("one that is cancelled in the queue holds nobody up") {
  asio::io_context io;
  HandshakeTurns turns(io);
  std::string order;
  asio::cancellation_signal cut;
  begin(io, shake(turns, 'a', order));
  asio::co_spawn(io, shake(turns, 'b', order),
                 asio::bind_cancellation_slot(cut.slot(), asio::detached));
  begin(io, shake(turns, 'c', order));
  while (turns.waiting() < 2) io.run_one();
  cut.emit(asio::cancellation_type::all);
  io.run();
  CHECK(order.find('c') != std::string::npos);
  CHECK(turns.waiting() == 0);
  CHECK(turns.take());
}

TEST_CASE("frames that are left in the queue die with the loop") {
  std::string order;
  auto io = std::make_unique<asio::io_context>();
  HandshakeTurns turns(*io);
  for (const char name : {'a', 'b', 'c'}) begin(*io, shake(turns, name, order));
  while (turns.waiting() < 2) io->run_one();
  io.reset();
  CHECK(turns.waiting() == 0);
}

}  // namespace handshake_turns_test
