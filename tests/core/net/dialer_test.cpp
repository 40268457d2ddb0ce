#include "core/net/dialer.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <vector>

#include "core/net/deadline_wheel.hpp"
#include "tests/support/fake_clock.hpp"

namespace dialer_test {

using namespace gatehouse;
using namespace gatehouse::net;
using namespace std::chrono_literals;
using asio::ip::tcp;

namespace {

class FixedResolver final : public Resolver {
 public:
  explicit FixedResolver(std::vector<asio::ip::address> addresses) : addresses_(addresses) {}
  awaitable<Result<std::vector<asio::ip::address>>> resolve(std::string) override {
    co_return addresses_;
  }

 private:
  std::vector<asio::ip::address> addresses_;
};

/// Listens, but its queue of connections is full: further ones get no answer.
class Swallower {
 public:
  explicit Swallower(asio::io_context& io, const tcp::endpoint& at) : acceptor_(io, at.protocol()) {
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    acceptor_.bind(at);
    acceptor_.listen(0);
    for (int i = 0; i < 4; ++i) {
      fill_.emplace_back(io, at.protocol());
      fill_.back().native_non_blocking(true);
      // Asio's own would wait for the end of it.
      ::connect(fill_.back().native_handle(), at.data(), static_cast<socklen_t>(at.size()));
    }
  }

 private:
  tcp::acceptor acceptor_;
  std::vector<tcp::socket> fill_;
};

struct Dialled {
  Result<std::unique_ptr<Stream>> got = Error(Fault::io, Side::self, "not yet");
  bool done = false;
};

struct Bench {
  asio::io_context io;
  test::FakeClock clock;
  DeadlineWheel wheel{clock};
  tcp::acceptor open{io, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)};
  Swallower swallower{io, {asio::ip::make_address("127.0.0.2"), open.local_endpoint().port()}};
  Dialled dialled;

  void dial(const std::vector<std::string>& addresses) {
    std::vector<asio::ip::address> parsed;
    for (const auto& each : addresses) parsed.push_back(asio::ip::make_address(each));
    resolver = std::make_unique<FixedResolver>(parsed);
    dialer = std::make_unique<SystemDialer>(clock, *resolver);
    asio::co_spawn(io, run(), asio::detached);
    io.poll();
  }
  awaitable<void> run() {
    Target target;
    target.host = "ca.example";
    target.port = open.local_endpoint().port();
    auto got = co_await dialer->dial(target, clock.steady() + 9s, wheel, Side::server);
    dialled.got = std::move(got);
    dialled.done = true;
  }
  void advance(std::chrono::seconds by) {
    clock.advance(by);
    io.restart();
    io.poll();
  }
  std::unique_ptr<FixedResolver> resolver;
  std::unique_ptr<SystemDialer> dialer;
};

}  // namespace

TEST_CASE("an address that swallows packets leaves the others their time") {
  Bench bench;
  bench.dial({"127.0.0.2", "127.0.0.2", "127.0.0.1"});
  bench.advance(3s);
  CHECK_FALSE(bench.dialled.done);
  bench.advance(3s);
  while (!bench.dialled.done) bench.io.run_one();
  CHECK(bench.dialled.got.has_value());
}

TEST_CASE("when no address answers the deadline ends it") {
  Bench bench;
  bench.dial({"127.0.0.2", "127.0.0.2"});
  bench.advance(5s);
  CHECK_FALSE(bench.dialled.done);
  bench.advance(4s);
  REQUIRE(bench.dialled.done);
  CHECK(bench.dialled.got.error().fault() == Fault::timeout);
  CHECK(bench.dialled.got.error().detail().find("dial ca.example:") != std::string::npos);
}

}  // namespace dialer_test
