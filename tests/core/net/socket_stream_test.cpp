#include "core/net/socket_stream.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <boost/asio/generic/stream_protocol.hpp>
#include <memory>
#include <optional>

#include "core/net/crew.hpp"
#include "tests/support/fake_clock.hpp"

namespace socket_stream_test {

using namespace gatehouse;
using gatehouse::test::FakeClock;
using namespace std::chrono_literals;

namespace {

struct Pair {
  asio::io_context context;
  FakeClock clock;
  net::DeadlineWheel wheel{clock};
  net::Crew crew{context.get_executor()};
  std::unique_ptr<net::SocketStream> near;
  std::unique_ptr<net::SocketStream> far;

  Pair() {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    near = adopt(fds[0]);
    far = adopt(fds[1]);
    crew.add(wheel.run());
  }
  ~Pair() {
    crew.stop();
    settle();
  }
  std::unique_ptr<net::SocketStream> adopt(int fd) {
    net::Socket socket(context, asio::generic::stream_protocol(AF_UNIX, 0), fd);
    return std::make_unique<net::SocketStream>(std::move(socket), wheel, Side::client);
  }
  void settle() {
    context.restart();
    context.poll();
  }
};

awaitable<void> read_once(net::Stream& stream, std::string& got, Fault& fault) {
  char bytes[64];
  auto n = co_await stream.read_some(bytes);
  if (n) {
    got.assign(bytes, *n);
  } else {
    fault = n.error().fault();
  }
}

awaitable<void> write_all(net::Stream& stream, std::string bytes, bool& done) {
  auto put = co_await stream.write(bytes);
  done = put.has_value();
}

awaitable<void> swallow(net::Stream& stream, std::size_t& taken, std::size_t wanted) {
  std::string sink(1 << 16, '\0');
  while (taken < wanted) {
    auto n = co_await stream.read_some(sink);
    if (!n) co_return;
    taken += *n;
  }
}

/// Owns the stream on which it rests.
struct Resting final : net::Sleeper {
  struct Seen {
    std::optional<Woken> woken;
    bool gone = false;
    std::unique_ptr<net::Sleeper> sleeper;  // once it was woken by something to read
  };
  Resting(std::unique_ptr<net::SocketStream> on, Seen& to) : stream(std::move(on)), seen(to) {}
  ~Resting() override { seen.gone = true; }
  void wake(std::unique_ptr<net::Sleeper> self, Woken why) override {
    CHECK_FALSE(seen.woken);
    seen.woken = why;
    if (why == Woken::ready) seen.sleeper = std::move(self);
  }
  std::unique_ptr<net::SocketStream> stream;
  Seen& seen;
};

net::SocketStream& lay_to_rest(std::unique_ptr<net::SocketStream> stream, Resting::Seen& seen) {
  net::SocketStream& resting = *stream;
  resting.rest(std::make_unique<Resting>(std::move(stream), seen));
  CHECK_FALSE(seen.woken);  // never from within the call
  return resting;
}

}  // namespace

TEST_CASE("a socket that cannot be watched is ended, and not asked for ever") {
  Pair p;
  const auto again = p.adopt(p.near->descriptor());  // epoll takes a descriptor only once
  char room[8];
  CHECK(again->try_read(room).state == net::IoState::end);
  CHECK(again->try_write("lost").state == net::IoState::failed);
  CHECK(p.far->try_read(room).state == net::IoState::end);
}

TEST_CASE("a reader waits for bytes and gets them") {
  Pair p;
  std::string got;
  Fault fault = Fault::none;
  p.crew.add(read_once(*p.near, got, fault));
  p.settle();
  CHECK(got.empty());
  CHECK(p.far->try_write("hello").bytes == 5);
  p.settle();
  CHECK(got == "hello");
}

TEST_CASE("after a short read the kernel is not asked again before it says so") {
  Pair p;
  CHECK(p.far->try_write("abc").bytes == 3);
  char bytes[64];
  CHECK(p.near->try_read(bytes).bytes == 3);
  CHECK(p.far->try_write("def").bytes == 3);
  CHECK(p.near->try_read(bytes).state == net::IoState::want_read);
  std::string got;
  Fault fault = Fault::none;
  p.crew.add(read_once(*p.near, got, fault));
  p.settle();
  CHECK(got == "def");
}

TEST_CASE("the peer's end is told apart from its reset") {
  Pair p;
  p.far->shutdown_write();
  char bytes[8];
  CHECK(p.near->try_read(bytes).state == net::IoState::end);
  p.far->close();
  CHECK(p.near->try_write("x").state == net::IoState::failed);
  CHECK(p.near->error().fault() == Fault::closed);
  CHECK(p.near->error().side() == Side::client);
}

TEST_CASE("a read past its deadline fails with timeout while a write goes on") {
  constexpr std::size_t size = 4U << 20;
  Pair p;
  std::string got;
  Fault fault = Fault::none;
  bool written = false;
  p.near->deadline(net::Want::read, p.clock.steady() + 1s);
  p.crew.add(read_once(*p.near, got, fault));
  p.crew.add(write_all(*p.near, std::string(size, 'x'), written));
  p.settle();
  CHECK(fault == Fault::none);
  for (int i = 0; i < 12; ++i) {
    p.clock.advance(100ms);
    p.settle();
  }
  CHECK(fault == Fault::timeout);
  CHECK_FALSE(written);
  std::size_t taken = 0;
  p.crew.add(swallow(*p.far, taken, size));
  p.settle();
  CHECK(taken == size);
  CHECK(written);
}

TEST_CASE("closing wakes a waiting reader") {
  Pair p;
  std::string got;
  Fault fault = Fault::none;
  p.crew.add(read_once(*p.near, got, fault));
  p.settle();
  p.near->close();
  p.settle();
  CHECK(fault == Fault::closed);
}

TEST_CASE("a stream is silent until its peer says or ends something") {
  Pair pair;
  CHECK(pair.near->silent());
  CHECK(pair.far->try_write("a").state == net::IoState::done);
  CHECK_FALSE(pair.near->silent());
  char room[8];
  CHECK(pair.near->try_read(room).bytes == 1);
  CHECK(pair.near->silent());
  SUBCASE("an end") {
    pair.far->shutdown_write();
    CHECK_FALSE(pair.near->silent());
    // Seen by the next read, though the one before came back short.
    CHECK(pair.near->try_read(room).state == net::IoState::end);
  }
  SUBCASE("closed here") {
    pair.near->close();
    CHECK_FALSE(pair.near->silent());
  }
}

TEST_CASE("that a stream is silent is known for as long as anybody hears of what comes") {
  Pair pair;
  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  const auto waiting = pair.adopt(fds[0]);
  const auto speaker = pair.adopt(fds[1]);
  char room[8];
  const auto say_and_read = [&] {
    CHECK(pair.far->try_write("a").bytes == 1);
    pair.settle();
    CHECK(pair.near->try_read(room).bytes == 1);
  };
  say_and_read();
  CHECK_FALSE(pair.near->known_silent());

  std::size_t heard = 0;
  pair.crew.add(swallow(*waiting, heard, 1000));
  pair.settle();
  CHECK(speaker->try_write("b").bytes == 1);
  pair.settle();
  CHECK(heard == 1);
  say_and_read();
  CHECK(pair.near->known_silent());
  CHECK(pair.far->try_write("c").bytes == 1);
  pair.settle();
  CHECK_FALSE(pair.near->known_silent());
  CHECK(pair.near->try_read(room).bytes == 1);
  CHECK(pair.near->known_silent());

  waiting->close();
  pair.settle();
  CHECK_FALSE(pair.near->known_silent());
}

TEST_CASE("who rests on a stream with its last owner is woken once, when the wait is over") {
  using Woken = net::Sleeper::Woken;
  Pair pair;
  Resting::Seen seen;
  Woken expected = Woken::closed;
  SUBCASE("by the deadline") {
    pair.near->deadline(net::Want::read, pair.clock.steady() + 1s);
    lay_to_rest(std::move(pair.near), seen);
    pair.settle();
    CHECK_FALSE(seen.woken);
    for (int i = 0; i < 12; ++i) {
      pair.clock.advance(100ms);
      pair.settle();
    }
    expected = Woken::overdue;
  }
  SUBCASE("by a deadline that has passed already") {
    pair.near->deadline(net::Want::read, pair.clock.steady() + 100ms);
    pair.settle();
    for (int i = 0; i < 3; ++i) {
      pair.clock.advance(100ms);
      pair.settle();
    }
    lay_to_rest(std::move(pair.near), seen);
    pair.settle();
    expected = Woken::overdue;
  }
  SUBCASE("by being closed") {
    lay_to_rest(std::move(pair.near), seen).close();
    CHECK_FALSE(seen.gone);
    pair.settle();
  }
  SUBCASE("by having been closed already") {
    pair.near->close();
    lay_to_rest(std::move(pair.near), seen);
    pair.settle();
  }
  CHECK(seen.woken == expected);
  CHECK(seen.gone);
}

TEST_CASE("who rests on a stream is woken by octets, or its end, that are there or come") {
  Resting::Seen seen;
  Pair pair;
  net::SocketStream* stream = nullptr;
  SUBCASE("octets that come") {
    stream = &lay_to_rest(std::move(pair.near), seen);
    pair.settle();
    CHECK_FALSE(seen.woken);
    CHECK(pair.far->try_write("abc").bytes == 3);
  }
  SUBCASE("octets that are there, and were not noticed yet") {
    CHECK(pair.far->try_write("abc").bytes == 3);
    stream = &lay_to_rest(std::move(pair.near), seen);
  }
  SUBCASE("octets that are there, and were noticed") {
    CHECK(pair.far->try_write("abc").bytes == 3);
    CHECK_FALSE(pair.near->silent());
    stream = &lay_to_rest(std::move(pair.near), seen);
  }
  SUBCASE("the end") {
    stream = &lay_to_rest(std::move(pair.near), seen);
    pair.settle();
    pair.far->close();
  }
  pair.settle();
  CHECK(seen.woken == net::Sleeper::Woken::ready);
  REQUIRE_FALSE(seen.gone);
  char room[8];
  CHECK(stream->try_read(room).state != net::IoState::want_read);
  seen.sleeper.reset();
  CHECK(seen.gone);
}

TEST_CASE("who rests on a stream goes with the io_context") {
  Resting::Seen seen;
  {
    Pair pair;
    lay_to_rest(std::move(pair.near), seen);
    pair.settle();
  }
  CHECK_FALSE(seen.woken);
  CHECK(seen.gone);
}

}  // namespace socket_stream_test
