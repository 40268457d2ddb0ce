#include "proxy/serve/listener.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>

#include "proxy/serve/outlet.hpp"
#include "tests/proxy/serve/bench.hpp"
#include "tests/support/raw_socket.hpp"

namespace listener_test {

using namespace gatehouse;
using namespace gatehouse::serve::test;
using namespace std::chrono_literals;
using asio::ip::tcp;
using config::TlsMode;
using gatehouse::test::RawSocket;
using serve::Listeners;
using serve::Workers;

namespace {

/// Two workers on threads of their own, with real sockets on loopback.
struct House {
  House()
      : workers(2, {clock, entropy, resolver, dialer, source, helpers, 4096}), listeners(workers) {
    workers.start();
  }

  template <class T>
  T run(awaitable<T> work) {
    auto done = asio::co_spawn(control, std::move(work), asio::use_future);
    control.restart();
    control.run();
    return done.get();
  }
  void serve(config::Config config) {
    const auto snapshot = snapshot_of(std::move(config));
    auto opened = listeners.open(*snapshot);
    REQUIRE(opened);
    run(workers.publish(snapshot));
    run(listeners.apply(std::move(*opened), snapshot));
  }
  std::uint16_t port(const std::string& address) const {
    for (const auto& open : listeners.open_addresses()) {
      if (open.address == address) return open.port;
    }
    return 0;
  }

  SystemClock clock;
  SystemEntropy entropy;
  NoNames resolver;
  net::SystemDialer dialer{clock, resolver};
  FakeSource source;
  HelperPool helpers{1};
  asio::io_context control;
  Workers workers;
  Listeners listeners;
};

/// A client that blocks, for 10 s at most.
class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(io_) {
    socket_.connect(tcp::endpoint(asio::ip::address_v4::loopback(), port));
    const timeval patience{10, 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  void send(std::string_view bytes) { asio::write(socket_, asio::buffer(bytes)); }
  /// Reads until `end` has come, or the connection ends.
  std::string hear(std::string_view end) {
    std::string all;
    char room[1024];
    while (end.empty() || all.find(end) == std::string::npos) {
      const ssize_t got = ::recv(socket_.native_handle(), room, sizeof room, 0);
      if (got <= 0) break;
      all.append(room, static_cast<std::size_t>(got));
    }
    return all;
  }

 private:
  asio::io_context io_;
  tcp::socket socket_;
};

config::Config echo_config() {
  auto site = site_for({"*"}, TlsMode::off, {responding("")});
  site.routes[0].respond->echo = true;
  return config_with({site});
}

constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
constexpr std::string_view page_end = "served by: Gatehouse\n";

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

net::ListenSocket on_loopback() {
  net::ListenAddress where;
  where.kind = net::ListenAddress::Kind::address;
  where.address = asio::ip::address_v4::loopback();
  auto socket = net::ListenSocket::open(where);
  REQUIRE(socket);
  return std::move(*socket);
}

/// Clients of one worker's listeners, which all go on in turn with its loop.
struct Crowd {
  void come(std::uint16_t port) {
    clients.push_back(RawSocket::connect(port));
    clients.back()->send(request);
  }
  bool answered(std::size_t which) const { return clients[which]->received.ends_with(page_end); }
  /// `step`: of the clock, each turn.
  void until(const std::function<bool()>& done, std::chrono::milliseconds step = 0ms) {
    const auto give_up = std::chrono::steady_clock::now() + 10s;
    while (!done()) {
      REQUIRE(std::chrono::steady_clock::now() < give_up);
      if (step > 0ms) bench.advance(step);
      bench.worker->io.restart();
      bench.worker->io.run_one_for(1ms);
      for (const auto& client : clients) client->move();
    }
  }

  Bench& bench;
  std::vector<std::unique_ptr<RawSocket>> clients{};
};

}  // namespace

TEST_CASE("a request over a real socket is answered") {
  House house;
  house.serve(echo_config());
  Client client(house.port("plain"));
  client.send(request);
  CHECK(holds(client.hear(page_end), "client: 127.0.0.1\n"));
}

TEST_CASE("a trusted proxy's PROXY header tells the client, however it is cut") {
  auto config = echo_config();
  config.server.proxy_protocol = true;
  config.server.trusted_proxies = {"127.0.0.0/8"};
  House house;
  house.serve(config);
  const std::string header = "PROXY TCP4 192.0.2.10 198.51.100.7 51234 80\r\n";
  for (const std::size_t cut : {std::size_t{0}, std::size_t{3}, header.size() - 1}) {
    Client client(house.port("plain"));
    client.send(header.substr(0, cut));
    client.send(header.substr(cut) + std::string(request));
    CHECK(holds(client.hear(page_end), "client: 192.0.2.10\n"));
  }
  SUBCASE("without one the connection is dropped") {
    Client client(house.port("plain"));
    client.send(request);
    CHECK(client.hear("").empty());
  }
}

TEST_CASE("a reload keeps the sockets of unchanged listeners, opens new ones, closes old ones") {
  House house;
  house.serve(echo_config());
  const std::uint16_t kept = house.port("plain");
  auto more = echo_config();
  more.server.http.push_back(listen_on("second"));
  house.serve(more);
  const std::uint16_t second = house.port("second");
  CHECK(house.port("plain") == kept);
  REQUIRE(second != 0);
  {
    Client client(second);
    client.send(request);
    CHECK(holds(client.hear(page_end), "200 OK"));
  }
  house.serve(echo_config());
  CHECK(house.port("second") == 0);
  CHECK_THROWS(Client(second));
  Client client(kept);
  client.send(request);
  CHECK(holds(client.hear(page_end), "200 OK"));
}

TEST_CASE("a reload narrows and widens the addresses of a port that is in use") {
  House house;
  auto config = echo_config();
  config.server.http = {listen_on("everywhere")};
  config.server.http[0].kind = config::Listen::Kind::any;
  house.serve(config);
  const std::uint16_t port = house.port("everywhere");
  const auto served = [&] {
    Client client(port);
    client.send(request);
    return holds(client.hear(page_end), "200 OK");
  };
  CHECK(served());
  auto narrow = echo_config();
  narrow.server.http = {listen_on("narrow")};
  narrow.server.http[0].port = port;
  {
    const auto refused_later = house.listeners.open(*snapshot_of(narrow));
    REQUIRE(refused_later);
    for (int i = 0; i < 8; ++i) CHECK(served());  // by the one that is still there
  }
  house.serve(narrow);
  CHECK(house.port("narrow") == port);
  CHECK(house.port("everywhere") == 0);
  for (int i = 0; i < 8; ++i) CHECK(served());
  config.server.http[0].port = port;
  house.serve(config);
  CHECK(house.port("everywhere") == port);
  CHECK(house.port("narrow") == 0);
  for (int i = 0; i < 8; ++i) CHECK(served());
}

TEST_CASE("who comes in by a listener that is about to close is served as before") {
  House house;
  house.serve(echo_config());
  Client early(house.port("plain"));
  early.send(request);
  CHECK(holds(early.hear(page_end), "200 OK"));
  auto moved = echo_config();
  moved.server.http = {listen_on("elsewhere")};
  const auto next = snapshot_of(moved);
  auto opened = house.listeners.open(*next);
  REQUIRE(opened);
  house.run(house.workers.publish(next));
  {
    Client late(house.port("plain"));
    late.send(request);
    CHECK(holds(late.hear(page_end), "200 OK"));
    early.send(request);
    CHECK(holds(early.hear(page_end), "200 OK"));
  }
  house.run(house.listeners.apply(std::move(*opened), next));
  CHECK(house.port("plain") == 0);
  Client after(house.port("elsewhere"));
  after.send(request);
  CHECK(holds(after.hear(page_end), "200 OK"));
}

TEST_CASE("a listener that cannot be opened leaves everything as it was") {
  House house;
  house.serve(echo_config());
  auto bad = echo_config();
  bad.server.http.push_back(listen_on("impossible"));
  bad.server.http.back().address = "192.0.2.1";
  const auto opened = house.listeners.open(*snapshot_of(bad));
  REQUIRE_FALSE(opened);
  CHECK(holds(opened.error().detail(), "impossible"));
  Client client(house.port("plain"));
  client.send(request);
  CHECK(holds(client.hear(page_end), "200 OK"));
}

TEST_CASE("what the outlet presents is on every worker when the call returns") {
  House house;
  house.serve(echo_config());
  serve::WorkersOutlet outlet(house.workers);
  house.run(outlet.present_http("token", "token.thumb"));
  for (int i = 0; i < 16; ++i) {  // enough to come to both workers
    Client client(house.port("plain"));
    client.send("GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(holds(client.hear("token.thumb"), "200 OK"));
  }
  house.run(outlet.withdraw_http("token"));
  const auto certificates = certificates_for({"a.example"});
  house.run(outlet.publish("a.example", certificates, tls::CertificateIndex::Need::now));
  int found = 0;
  const auto look = [&](serve::Worker& worker) {
    found += worker.certificates.find("a.example") != nullptr ? 1 : 0;
    found += worker.challenges.http_answer("token") != nullptr ? 100 : 0;
  };
  house.run(house.workers.on_each(look));
  CHECK(found == 2);
}

TEST_CASE("a drain waits for nobody when nobody is there, and cuts who outstays it") {
  House house;
  house.serve(echo_config());
  const std::uint16_t port = house.port("plain");
  Client client(port);
  client.send(request);
  client.hear(page_end);
  CHECK(house.run(house.listeners.drain(house.clock, house.clock.steady())) == 1);
  CHECK(client.hear("").empty());
  CHECK_THROWS(Client(port));
  CHECK(house.run(house.listeners.drain(house.clock, house.clock.steady() + 10s)) == 0);
}

TEST_CASE("connections that rest keep what is known of them, and go with the others") {
  auto config = echo_config();
  config.server.proxy_protocol = true;
  config.server.trusted_proxies = {"127.0.0.0/8"};
  auto house = std::make_unique<House>();
  house->serve(config);
  Client client(house->port("plain"));
  client.send("PROXY TCP4 192.0.2.10 198.51.100.7 51234 80\r\n" + std::string(request));
  client.hear(page_end);
  const auto wait_until_all_rest = [&] {
    std::size_t tasks = 1;
    while (tasks > 0) {
      tasks = 0;
      const Workers::Job count = [&](serve::Worker& worker) { tasks += worker.clients.size(); };
      house->run(house->workers.on_each(count));
    }
  };
  wait_until_all_rest();
  CHECK(house->run(house->workers.counters()).idle == 1);
  client.send(request);
  CHECK(holds(client.hear(page_end), "client: 192.0.2.10\n"));
  wait_until_all_rest();
  SUBCASE("at a stop") { house.reset(); }
  SUBCASE("at the end of a drain") {
    CHECK(house->run(house->listeners.drain(house->clock, house->clock.steady())) == 1);
  }
  SUBCASE("when a drain gives them time") {
    CHECK(house->run(house->listeners.drain(house->clock, house->clock.steady() + 10s)) == 0);
  }
  CHECK(client.hear("").empty());
}

TEST_CASE("a worker without descriptors pauses, and accepts again once it has some") {
  Bench bench(echo_config());
  auto socket = on_loopback();
  const std::uint16_t port = socket.port();
  Client waiting(port);  // in the kernel's queue
  waiting.send(request);
  bench.worker->listening = std::make_shared<serve::Listening>(*bench.worker);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit none = before;
  none.rlim_cur = 3;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  bench.worker->listening->add("plain", std::move(socket));
  while (bench.worker->counters.accept_pauses == 0) bench.worker->io.run_one_for(1s);
  CHECK(bench.worker->counters.connections == 0);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  while (bench.worker->counters.requests == 0) bench.worker->io.run_one_for(1s);
  CHECK(bench.worker->counters.connections == 1);
  CHECK(holds(waiting.hear(page_end), "200 OK"));
  bench.worker->listening->remove_all();
}

TEST_CASE("past max_connections clients wait in the kernel's queue until others leave") {
  auto config = echo_config();
  config.server.http.push_back(listen_on("second"));
  config.server.max_connections = 2;
  Bench bench(config);
  bench.worker->listening = std::make_shared<serve::Listening>(*bench.worker);
  std::uint16_t ports[2] = {};
  for (int i = 0; i < 2; ++i) {
    auto socket = on_loopback();
    ports[i] = socket.port();
    bench.worker->listening->add(i == 0 ? "plain" : "second", std::move(socket));
  }
  Crowd crowd{bench};
  auto& clients = crowd.clients;
  crowd.come(ports[0]);
  crowd.come(ports[1]);
  crowd.until([&] { return crowd.answered(0) && crowd.answered(1); });
  CHECK(bench.worker->connections.count() == 2);

  crowd.come(ports[0]);
  crowd.come(ports[1]);
  clients[0]->send(request);  // those who are in are served
  clients[0]->received.clear();
  crowd.until([&] { return crowd.answered(0); });
  // Two doors that wait must not keep each other awake.
  int turns = 0;
  bench.worker->io.restart();
  while (turns < 1000 && bench.worker->io.poll_one() > 0) ++turns;
  CHECK(turns < 1000);
  CHECK(bench.worker->connections.count() == 2);
  CHECK(clients[2]->received.empty());
  CHECK(clients[3]->received.empty());
  CHECK_FALSE(clients[2]->ended());

  clients[0]->close();
  crowd.until([&] { return crowd.answered(2) || crowd.answered(3); });
  CHECK(bench.worker->connections.count() == 2);
  clients[1]->close();
  crowd.until([&] { return crowd.answered(2) && crowd.answered(3); });
  CHECK(bench.worker->counters.connections == 4);
  bench.worker->listening->remove_all();
}

TEST_CASE("past max_connections idle ones make way for clients that wait") {
  auto config = echo_config();
  config.server.max_connections = 2;
  Bench bench(config);
  bench.worker->listening = std::make_shared<serve::Listening>(*bench.worker);
  auto socket = on_loopback();
  const std::uint16_t port = socket.port();
  bench.worker->listening->add("plain", std::move(socket));
  Crowd crowd{bench};
  crowd.come(port);
  crowd.until([&] { return crowd.answered(0); });
  crowd.come(port);
  crowd.until([&] { return crowd.answered(1); });
  crowd.come(port);
  // The clock goes on until one has been idle for long enough.
  crowd.until([&] { return crowd.answered(2); }, 100ms);
  crowd.clients[0]->move();
  CHECK(crowd.clients[0]->ended());
  CHECK_FALSE(crowd.clients[1]->ended());
  CHECK(bench.worker->connections.count() == 2);
  bench.worker->listening->remove_all();
}

}  // namespace listener_test
