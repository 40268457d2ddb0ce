#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "tests/proxy/forward/bench.hpp"
#include "tests/support/fake_dialer.hpp"

namespace pool_test {

using namespace gatehouse;
using namespace gatehouse::test;

namespace {

const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// One request of a client and its answer over the `index`-th connection to `server`.
void exchange(Bench& bench, RawSocket& client, RawServer& server, std::size_t index) {
  client.send(get);
  bench.until([&] {
    return server.connections.size() > index && whole_message(server.connections[index]->received);
  });
  server.connections[index]->received.clear();
  server.connections[index]->send(ok);
  bench.until([&] { return client.received.ends_with("ok"); });
  client.received.clear();
  bench.settle();
}

/// A client and its server after one exchange; what led from us to the server is kept.
struct Kept {
  Bench bench;
  RawServer server;
  std::shared_ptr<RawSocket> client;

  Kept() {
    bench.serve_by({&server});
    client = bench.connect();
    exchange();
    REQUIRE(bench.pool()->idle() == 1);
  }
  void exchange() { pool_test::exchange(bench, *client, server, 0); }
};

config::BackendServer named(const std::string& host, std::uint16_t port) {
  config::BackendServer out;
  out.host = host;
  out.port = port;
  out.text = host + ":" + std::to_string(port);
  return out;
}

/// A pool whose connections are scripts.
struct Scripted {
  Bench bench;
  FakeDialer dialer{bench.clock};
  std::shared_ptr<backend::Pool> pool;

  Scripted() {
    config::Config config;
    config.backends.emplace_back();
    config.backends[0].name = "app";
    config.backends[0].servers = {named("127.0.0.1", 80)};
    const auto plan = backend::make_plans(config).value().at("app");
    Worker& worker = *bench.worker;
    const backend::Means means{bench.clock,  bench.resolver, dialer,
                               worker.wheel, worker.buffers, worker.crew};
    pool = std::make_shared<backend::Pool>(means, plan, plan->servers[0]);
  }
  /// One request and its answer on a new connection, which is given back.
  static awaitable<void> carry(std::shared_ptr<backend::Pool> pool, bool& done) {
    auto lease = co_await backend::Pool::dial(std::move(pool));
    http::RequestHead head;
    head.method = "GET";
    head.path = "/";
    head.authority = "a";
    const auto sent = co_await lease->exchange().send_head(head);
    const auto flushed = co_await lease->exchange().flush();
    const auto answered = co_await lease->exchange().read_head();
    const auto body = co_await lease->exchange().read_body();
    const auto end = co_await lease->exchange().read_body();
    lease->give_back();
    done = sent && flushed && answered && body && end;
  }
  void exchange(Script& server) {
    bool done = false;
    server.send(ok);
    bench.worker->crew.add(carry(pool, done));
    bench.until([&] { return done; });
  }
};

}  // namespace

TEST_CASE("an idle connection is closed when its time is up") {
  Kept kept;
  kept.bench.advance(58s);
  CHECK(kept.bench.pool()->idle() == 1);
  kept.bench.advance(4s);
  CHECK(kept.bench.pool()->idle() == 0);
  kept.bench.until([&] { return kept.server.connections[0]->ended(); });
}

TEST_CASE("connections that wait for their next request hold no buffer, on neither side") {
  Kept kept;
  CHECK(kept.bench.connections_open() == 1);
  CHECK(kept.bench.worker->buffers.lent() == 0);
  kept.exchange();
  kept.bench.advance(5s);  // looked at by the sweep
  CHECK(kept.bench.pool()->idle() == 1);
  CHECK(kept.bench.worker->buffers.lent() == 0);
}

TEST_CASE("an idle connection that its server closed does not linger") {
  Kept kept;
  kept.server.connections[0]->close();
  kept.bench.settle();
  CHECK(kept.bench.pool()->idle() == 1);
  kept.bench.advance(1200ms);
  CHECK(kept.bench.pool()->idle() == 0);
}

TEST_CASE("a connection whose key has sealed all it may is not kept, nor used again") {
  Scripted scripted;
  const auto server = scripted.dialer.lead();
  SUBCASE("worn by its last request") {
    server->on_write([&](std::string_view) { server->wear(); });
    scripted.exchange(*server);
    CHECK(scripted.pool->idle() == 0);
  }
  SUBCASE("seen when it is looked for") {
    scripted.exchange(*server);
    CHECK(scripted.pool->idle() == 1);
    server->wear();
    CHECK_FALSE(backend::Pool::take_idle(scripted.pool));
  }
  SUBCASE("seen by the sweep") {
    scripted.exchange(*server);
    server->wear();
    scripted.bench.advance(1200ms);
    CHECK(scripted.pool->idle() == 0);
  }
  CHECK(server->closed());
}

TEST_CASE("no more connections are kept idle than the config allows, the newest first in use") {
  Bench bench;
  RawServer server;
  bench.backend.idle_connections = 2;
  bench.serve_by({&server});
  std::vector<std::shared_ptr<RawSocket>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(bench.connect());
  for (auto& client : clients) client->send(get);
  bench.until([&] { return server.connections.size() == 3; });
  for (std::size_t i = 0; i < 3; ++i) {
    bench.until([&] { return whole_message(server.connections[i]->received); });
    server.connections[i]->received.clear();
    server.connections[i]->send(ok);
    bench.until([&] { return bench.outcomes.size() == i + 1; });
  }
  bench.settle();
  CHECK(bench.pool()->idle() == 2);
  CHECK(server.connections[2]->ended());
  clients[0]->received.clear();
  exchange(bench, *clients[0], server, 1);  // given back last
}

TEST_CASE("a reload keeps what stays, with its connections, and retires the rest") {
  Bench bench;
  RawServer stays;
  RawServer goes;
  bench.serve_by({&stays, &goes});
  auto one = bench.connect();
  auto two = bench.connect();
  one->send(get);
  two->send(get);
  bench.until([&] { return stays.connections.size() + goes.connections.size() == 2; });
  bench.settle();
  // Two requests in flight at once go to both servers: the second draw sees the first's load.
  REQUIRE(stays.connections.size() == 1);
  REQUIRE(goes.connections.size() == 1);
  stays.connections[0]->send(ok);
  bench.until([&] { return bench.outcomes.size() == 1; });

  const auto kept = bench.pool(0);
  const auto retired = bench.pool(1);
  bench.serve_by({&stays});
  CHECK(bench.pool(0) == kept);
  CHECK(kept->idle() == 1);
  goes.connections[0]->send(ok);  // what was under way ends as it began
  bench.until([&] { return bench.outcomes.size() == 2; });
  CHECK(bench.outcomes[1].status == 200);
  CHECK(retired->idle() == 0);
  bench.until([&] { return goes.connections[0]->ended(); });
  stays.connections[0]->received.clear();
  one->received.clear();
  exchange(bench, *one, stays, 0);
}

TEST_CASE("a server that is reached in another way is another server") {
  Bench bench;
  RawServer server;
  bench.serve_by({&server});
  auto client = bench.connect();
  exchange(bench, *client, server, 0);
  const auto plain = bench.pool();
  bench.backend.servers[0].scheme = config::BackendServer::Scheme::https;
  bench.backend.tls.verify = false;
  bench.publish();
  CHECK(bench.pool() != plain);
  CHECK(plain->idle() == 0);
}

TEST_CASE("a name is resolved once, and again when its time is up") {
  Bench bench;
  RawServer server;
  bench.watch(server);
  bench.resolver.table["app.internal"] = {asio::ip::make_address("127.0.0.1")};
  bench.backend.servers = {named("app.internal", server.port())};
  bench.backend.idle_connections = 0;
  bench.publish();
  auto client = bench.connect();
  exchange(bench, *client, server, 0);
  exchange(bench, *client, server, 1);
  CHECK(bench.resolver.asked == 1);
  bench.advance(31s);
  exchange(bench, *client, server, 2);
  CHECK(bench.resolver.asked == 2);
}

TEST_CASE("a name that leads nowhere is a 502") {
  Bench bench;
  bench.backend.servers = {named("gone.internal", 80)};
  bench.publish();
  auto client = bench.connect();
  client->send(get);
  bench.until([&] { return whole_message(client->received); });
  CHECK(client->received.starts_with("HTTP/1.1 502 "));
}

TEST_CASE("a server that moved is found where its name leads now") {
  Bench bench;
  RawServer server;
  bench.watch(server);
  // 127.0.0.2 refuses: nobody listens there on that port.
  bench.resolver.table["app.internal"] = {asio::ip::make_address("127.0.0.2")};
  bench.backend.servers = {named("app.internal", server.port())};
  bench.publish();
  auto client = bench.connect();
  client->send(get);
  bench.until([&] { return whole_message(client->received); });
  CHECK(client->received.starts_with("HTTP/1.1 502 "));
  client->received.clear();
  bench.resolver.table["app.internal"] = {asio::ip::make_address("127.0.0.1")};
  exchange(bench, *client, server, 0);
}

TEST_CASE("of several addresses one that refuses costs no request") {
  Bench bench;
  RawServer server;
  bench.watch(server);
  bench.resolver.table["app.internal"] = {asio::ip::make_address("127.0.0.2"),
                                          asio::ip::make_address("127.0.0.1")};
  bench.backend.servers = {named("app.internal", server.port())};
  bench.backend.idle_connections = 0;
  bench.publish();
  auto client = bench.connect();
  for (std::size_t i = 0; i < 3; ++i) exchange(bench, *client, server, i);
}

TEST_CASE("requests of a worker move no count that others move") {
  Scripted scripted;
  config::Config config;
  config.backends.emplace_back();
  config.backends[0].name = "app";
  config.backends[0].servers = {named("127.0.0.1", 80)};
  const backend::Plans plans = backend::make_plans(config).value();
  Worker& worker = *scripted.bench.worker;
  const backend::Means means{scripted.bench.clock, scripted.bench.resolver, scripted.dialer,
                             worker.wheel,         worker.buffers,          worker.crew};
  backend::Pools pools(means, [] { return 1U; });
  pools.reconcile(plans);
  const auto backend = pools.find("app");
  REQUIRE(backend != nullptr);
  CHECK(backend->plan() == plans.at("app"));
  const auto everybody = plans.at("app").use_count();
  const auto here = backend->plan().use_count();
  const auto request = backend->plan();  // a copy
  CHECK(plans.at("app").use_count() == everybody);
  CHECK(backend->plan().use_count() == here + 1);
  // The same plans again change nothing.
  pools.reconcile(plans);
  CHECK(backend->plan().use_count() == here + 1);
}

TEST_CASE("a server behind a unix socket is reached, and told a Host where the client had none") {
  Bench bench;
  std::string folder = std::filesystem::temp_directory_path() / "gatehouse-XXXXXX";
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const std::string path = folder + "/app.sock";
  {
    RawServer server(path);
    bench.watch(server);
    config::BackendServer at;
    at.scheme = config::BackendServer::Scheme::unix_path;
    at.host = path;
    at.text = "unix:" + path;
    bench.backend.servers = {at};
    bench.publish();
    auto client = bench.connect();
    client->send("GET / HTTP/1.0\r\n\r\n");
    bench.until([&] {
      return !server.connections.empty() && whole_message(server.connections[0]->received);
    });
    CHECK(field_of(server.connections[0]->received, "Host") == "localhost");
    server.connections[0]->send(ok);
    bench.until([&] { return client->received.ends_with("ok"); });
    bench.settle();
    bench.forget();
  }
  std::filesystem::remove_all(folder);
}

}  // namespace pool_test
