#include "proxy/control/discovery.hpp"

#include <doctest/doctest.h>

#include <boost/asio/detached.hpp>
#include <optional>

#include "tests/support/fake_clock.hpp"

namespace discovery_test {

using namespace gatehouse;
using namespace gatehouse::test;
using namespace std::chrono_literals;
using control::Discovery;
using net::ServiceAnswer;
using net::ServiceRecord;

namespace {

/// Says what a test lays down; nothing: the question hangs.
class ServiceResolver final : public net::Resolver {
 public:
  awaitable<Result<std::vector<asio::ip::address>>> resolve(std::string) override {
    co_return Error(Fault::not_found, Side::server, "no such name");
  }
  awaitable<Result<ServiceAnswer>> services(std::string name) override {
    ++asked;
    if (hangs) {
      auto executor = co_await asio::this_coro::executor;
      asio::steady_timer parked(executor, Steady::max());
      for (;;) co_await parked.async_wait(as_result);
    }
    const auto found = table.find(name);
    if (found == table.end()) co_return Error(Fault::not_found, Side::server, "no such name");
    co_return found->second;
  }
  std::map<std::string, ServiceAnswer> table;
  bool hangs = false;
  int asked = 0;
};

struct Bench {
  FakeClock clock;
  asio::io_context io;
  ServiceResolver resolver;
  int changes = 0;
  Discovery discovery{{io.get_executor(), clock, resolver}, [this] { ++changes; }};

  ~Bench() {
    asio::co_spawn(io, discovery.stop(), asio::detached);
    settle();
  }
  void settle() {
    io.restart();
    io.poll();
  }
  void advance(std::chrono::milliseconds by) {
    clock.advance(by);
    settle();
  }
  /// Prepares and reconciles as a start or a reload does; false: it waits for answers.
  bool serve(const serve::backend::Plans& plans) {
    auto ready = std::make_shared<bool>(false);
    asio::co_spawn(io, prepare(plans, ready), asio::detached);
    settle();
    return *ready;
  }
  awaitable<void> prepare(serve::backend::Plans plans, std::shared_ptr<bool> ready) {
    co_await discovery.prepare(plans);
    discovery.reconcile(plans);
    *ready = true;
  }
  std::vector<std::string> servers() {
    std::vector<std::string> out;
    const auto plans = discovery.plans();
    for (const auto& each : plans->at("app")->servers) out.push_back(each.text);
    return out;
  }
};

serve::backend::Plans plans_of(const std::vector<std::string>& services,
                               std::chrono::milliseconds resolve = 30s) {
  config::Config config;
  config.backends.emplace_back();
  config.backends[0].name = "app";
  config.backends[0].resolve = resolve;
  for (const std::string& name : services) {
    config::BackendServer server;
    server.scheme = config::BackendServer::Scheme::srv_http;
    server.host = name;
    server.text = "srv+http://" + name;
    config.backends[0].servers.push_back(server);
  }
  return serve::backend::make_plans(config).value();
}

ServiceAnswer answer(std::vector<ServiceRecord> records, std::chrono::seconds ttl) {
  ServiceAnswer out;
  out.records = std::move(records);
  out.ttl = ttl;
  return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a service has its servers when the first request may come") {
  Bench bench;
  bench.resolver.table["web"] = answer({{"a.example", 80, 0, 0}}, 10s);
  REQUIRE(bench.serve(plans_of({"web"})));
  CHECK(bench.servers() == Texts{"a.example:80"});
  CHECK(bench.changes == 0);
}

TEST_CASE("a service is asked for again when its time is up, and a change is told once") {
  Bench bench;
  bench.resolver.table["web"] = answer({{"a.example", 80, 0, 0}, {"b.example", 80, 0, 0}}, 10s);
  bench.serve(plans_of({"web"}));
  // The same in another order is no change, nor is a place that comes twice.
  bench.resolver.table["web"] =
      answer({{"b.example", 80, 0, 0}, {"a.example", 80, 0, 0}, {"a.example", 80, 9, 0}}, 10s);
  bench.advance(9s);
  CHECK(bench.resolver.asked == 1);
  bench.advance(1s);
  CHECK(bench.resolver.asked == 2);
  CHECK(bench.changes == 0);
  bench.resolver.table["web"] = answer({{"c.example", 81, 0, 0}}, 100s);
  bench.advance(10s);
  CHECK(bench.changes == 1);
  CHECK(bench.servers() == Texts{"c.example:81"});
  bench.advance(29s);
  CHECK(bench.resolver.asked == 3);
  bench.advance(1s);  // `resolve` is less than the TTL
  CHECK(bench.resolver.asked == 4);
}

TEST_CASE("a service that is gone, or not to be asked for, keeps what was found last") {
  Bench bench;
  bench.resolver.table["web"] = answer({{"a.example", 80, 0, 0}}, 1s);
  bench.serve(plans_of({"web"}));
  bench.resolver.table.clear();
  bench.advance(1s);
  CHECK(bench.resolver.asked == 2);
  CHECK(bench.servers() == Texts{"a.example:80"});
  CHECK(bench.discovery.services().at("web")->problem == "no such name");
  bench.resolver.hangs = true;
  bench.advance(5s);
  CHECK(bench.resolver.asked == 3);
  bench.advance(10s);
  CHECK(bench.servers() == Texts{"a.example:80"});
  CHECK(bench.changes == 0);
  bench.resolver.hangs = false;
  bench.resolver.table["web"] = answer({{"b.example", 80, 0, 0}}, 1s);
  bench.advance(5s);
  CHECK(bench.changes == 1);
  CHECK(bench.servers() == Texts{"b.example:80"});
  CHECK(bench.discovery.services().at("web")->problem.empty());
}

TEST_CASE("a silent DNS server holds a start up for a short time only") {
  Bench bench;
  bench.resolver.hangs = true;
  std::optional<bool> ready = bench.serve(plans_of({"web"}));
  CHECK(ready == false);
  bench.advance(2s);
  CHECK(bench.discovery.services().at("web")->answered == false);
  bench.advance(1s);
  CHECK(bench.servers().empty());
  bench.resolver.hangs = false;
  bench.resolver.table["web"] = answer({{"a.example", 80, 0, 0}}, 1s);
  bench.advance(7s);  // the first question gives up
  bench.advance(5s);
  CHECK(bench.changes == 1);
  CHECK(bench.servers() == Texts{"a.example:80"});
}

TEST_CASE("a reload asks for what is new only, and forgets what it no longer names") {
  Bench bench;
  bench.resolver.table["web"] = answer({{"a.example", 80, 0, 0}}, 60s);
  bench.resolver.table["api"] = answer({{"b.example", 81, 0, 0}}, 60s);
  bench.serve(plans_of({"web"}));
  CHECK(bench.resolver.asked == 1);
  bench.serve(plans_of({"web", "api"}));
  CHECK(bench.resolver.asked == 2);
  CHECK(bench.servers() == Texts{"a.example:80", "b.example:81"});
  bench.serve(plans_of({"api"}));
  CHECK(bench.servers() == Texts{"b.example:81"});
  CHECK(bench.discovery.services().size() == 1);
  bench.advance(30s);
  CHECK(bench.resolver.asked == 3);  // of those the one that is left
}

}  // namespace discovery_test
