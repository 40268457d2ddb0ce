#include "proxy/serve/backend/addresses.hpp"

#include <utility>

#include "tests/proxy/forward/bench.hpp"

namespace addresses_test {

using namespace gatehouse;
using namespace gatehouse::test;

namespace {

using Address = asio::ip::address;

/// Connects as a table says: at once, never, or refuses. What connects is a pair of sockets whose
/// other end is closed.
class RouteDialer final : public net::Dialer {
 public:
  enum class Road : std::uint8_t { open, refused, silent };
  explicit RouteDialer(asio::io_context& io) : io_(io) {}

  awaitable<Result<std::unique_ptr<net::Stream>>> dial(net::Target target, Steady,
                                                       net::DeadlineWheel& wheel,
                                                       Side side) override {
    dialled.push_back(target.host);
    const Road road = roads[target.host];
    if (road == Road::silent) {
      asio::steady_timer parked(io_, Steady::max());
      for (;;) co_await parked.async_wait(as_result);  // until cancelled
    }
    if (road == Road::refused) co_return Error(Fault::refused, side, target.host + ": refused");
    net::Socket socket(io_);
    socket.open(asio::ip::tcp::v4());
    co_return std::make_unique<net::SocketStream>(std::move(socket), wheel, side);
  }

  std::map<std::string, Road> roads;
  std::vector<std::string> dialled;

 private:
  asio::io_context& io_;
};

using Road = RouteDialer::Road;

struct Roads {
  Bench bench;
  RouteDialer dialer{bench.worker->io};
  std::shared_ptr<backend::Addresses> addresses;
  std::string outcome;  // of the last connect(): the address, or why there is none

  explicit Roads(const std::vector<std::string>& found) {
    lead(found);
    Worker& worker = *bench.worker;
    const backend::Means means{bench.clock,  bench.resolver, dialer,
                               worker.wheel, worker.buffers, worker.crew};
    net::Target target;
    target.host = "app.internal";
    target.port = 80;
    addresses = std::make_shared<backend::Addresses>(means, target, 30s);
  }
  void lead(const std::vector<std::string>& found) {
    auto& list = bench.resolver.table["app.internal"];
    list.clear();
    for (const std::string& each : found) list.push_back(asio::ip::make_address(each));
  }
  static awaitable<void> walk(Roads& roads, Steady deadline) {
    auto way = co_await backend::Addresses::connect(roads.addresses, deadline);
    roads.outcome = way ? way->address.to_string() : way.error().detail();
  }
  void connect() {
    outcome.clear();
    dialer.dialled.clear();
    bench.worker->crew.add(walk(*this, bench.clock.steady() + 3s));
    bench.settle();
  }
};

}  // namespace

TEST_CASE("an address that swallows packets costs its head start once, and then comes last") {
  Roads roads({"2001:db8::1", "192.0.2.1"});
  roads.dialer.roads["2001:db8::1"] = Road::silent;
  roads.connect();
  CHECK(roads.outcome.empty());
  roads.bench.advance(240ms);
  CHECK(roads.dialer.dialled == std::vector<std::string>{"2001:db8::1"});
  roads.bench.advance(10ms);
  CHECK(roads.outcome == "192.0.2.1");
  for (int i = 0; i < 2; ++i) {
    roads.connect();
    CHECK(roads.outcome == "192.0.2.1");
    CHECK(roads.dialer.dialled == std::vector<std::string>{"192.0.2.1"});
  }
  roads.bench.advance(11s);
  roads.dialer.roads["2001:db8::1"] = Road::open;
  roads.connect();
  roads.connect();
  CHECK(roads.dialer.dialled == std::vector<std::string>{"2001:db8::1"});
}

TEST_CASE("an address that refuses is followed by the next at once") {
  Roads roads({"192.0.2.1", "192.0.2.2", "192.0.2.3"});
  roads.dialer.roads["192.0.2.1"] = Road::refused;
  roads.dialer.roads["192.0.2.2"] = Road::refused;
  roads.connect();
  CHECK(roads.outcome == "192.0.2.3");
  CHECK(roads.dialer.dialled.size() == 3);
}

TEST_CASE("the slower attempt may win after the faster one was refused") {
  Roads roads({"192.0.2.1", "192.0.2.2"});
  roads.dialer.roads["192.0.2.1"] = Road::silent;
  roads.dialer.roads["192.0.2.2"] = Road::refused;
  roads.connect();
  roads.bench.advance(300ms);
  CHECK(roads.dialer.dialled.size() == 2);
  CHECK(roads.outcome.empty());  // the first is still at it
}

TEST_CASE("when every address refuses the last one's word is told") {
  Roads roads({"192.0.2.1", "192.0.2.2"});
  roads.dialer.roads["192.0.2.1"] = Road::refused;
  roads.dialer.roads["192.0.2.2"] = Road::refused;
  roads.connect();
  CHECK(roads.outcome == "192.0.2.2: refused");
}

TEST_CASE("families alternate, and every address has its turn to be first") {
  Roads roads({"192.0.2.1", "192.0.2.2", "2001:db8::1"});
  for (const auto* first : {"192.0.2.1", "192.0.2.2", "2001:db8::1"}) {
    roads.connect();
    CHECK(roads.outcome == first);
  }
  for (const auto* each : {"192.0.2.1", "192.0.2.2", "2001:db8::1"}) {
    roads.dialer.roads[each] = Road::refused;
  }
  roads.connect();
  CHECK(roads.dialer.dialled == std::vector<std::string>{"192.0.2.1", "2001:db8::1", "192.0.2.2"});
}

TEST_CASE("a name that leads elsewhere is found out beside the connections that live on") {
  Roads roads({"192.0.2.1"});
  roads.connect();
  const auto old = asio::ip::make_address("192.0.2.1");
  roads.lead({"192.0.2.2"});
  backend::Addresses::refresh_when_due(roads.addresses);
  roads.bench.settle();
  CHECK(roads.addresses->lead_to(old));
  roads.bench.advance(31s);
  backend::Addresses::refresh_when_due(roads.addresses);
  roads.bench.settle();
  CHECK_FALSE(roads.addresses->lead_to(old));
}

}  // namespace addresses_test
