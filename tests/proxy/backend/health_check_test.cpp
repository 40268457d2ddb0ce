#include "proxy/serve/backend/health_check.hpp"

#include "proxy/control/health.hpp"
#include "tests/proxy/forward/farm.hpp"

namespace health_check_test {

using namespace gatehouse;
using namespace gatehouse::test;
using backend::Pulse;
using Change = Pulse::Change;

namespace {

backend::HealthRules rise_two_fall_three() {
  backend::HealthRules rules;
  rules.rise = 2;
  rules.fall = 3;
  return rules;
}

const std::string busy = "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno";

/// A farm whose servers are checked.
struct Checked {
  Farm farm;
  control::Health health;

  explicit Checked(std::size_t servers)
      : farm(servers),
        health({farm.bench.worker->io.get_executor(), farm.bench.clock, farm.bench.entropy,
                farm.bench.dialer}) {
    auto& rules = farm.bench.backend.health;
    rules.path = "/up?deep";
    rules.interval = 10s;
    rules.timeout = 2s;
    rules.fall = 2;
    farm.open();
    follow();
  }
  ~Checked() {
    farm.bench.worker->crew.add(health.stop());
    farm.bench.settle();
  }
  void follow() {
    const auto held = farm.bench.worker->snapshot;
    health.reconcile(held->backends());
  }
  /// Time passes in steps, and whoever asks is answered.
  void pass(std::chrono::milliseconds time) {
    for (; time > 0ms; time -= 100ms) {
      farm.bench.advance(100ms);
      for (int i = 0; i < 3; ++i) {
        farm.serve();
        farm.bench.settle();
      }
    }
  }
  bool down(std::size_t server) const { return health.servers()[server]->vitals->down(); }
};

}  // namespace

TEST_CASE("the first answer decides alone, then it takes rise or fall of them in a row") {
  const auto rules = rise_two_fall_three();
  Pulse pulse;
  CHECK(pulse.heard(false, rules) == Change::down);
  CHECK(pulse.heard(true, rules) == Change::none);
  CHECK(pulse.heard(false, rules) == Change::none);
  CHECK(pulse.heard(true, rules) == Change::none);
  CHECK(pulse.heard(true, rules) == Change::up);
  CHECK(pulse.heard(false, rules) == Change::none);
  CHECK(pulse.heard(false, rules) == Change::none);
  CHECK(pulse.heard(true, rules) == Change::none);
  CHECK(pulse.heard(false, rules) == Change::none);
  CHECK(pulse.heard(false, rules) == Change::none);
  CHECK(pulse.heard(false, rules) == Change::down);
}

TEST_CASE("a status is healthy where the config says so") {
  config::Config config;
  config.backends.emplace_back();
  config.backends[0].health.status = "200, 300-301,4xx";
  const auto plan = backend::make_plans(config).value().at("");
  for (const int status : {200, 300, 301, 400, 499}) CHECK(healthy(plan->health, status));
  for (const int status : {201, 302, 399, 500}) CHECK_FALSE(healthy(plan->health, status));
}

TEST_CASE("a server whose checks fail is sent nothing until they succeed again") {
  Checked checked(2);
  checked.farm.answers[1] = busy;
  checked.pass(300ms);
  CHECK(checked.farm.asked == std::vector<int>{1, 1});
  CHECK_FALSE(checked.down(0));
  CHECK(checked.down(1));
  CHECK(checked.health.servers()[1]->last_problem == "answered 503");
  checked.farm.count_anew();
  checked.farm.ask_times(4);
  CHECK(checked.farm.asked == std::vector<int>{4, 0});

  checked.farm.bench.publish();  // what is known survives a reload
  checked.follow();
  CHECK(checked.down(1));
  checked.farm.ask_times(2);
  CHECK(checked.farm.asked == std::vector<int>{6, 0});

  checked.farm.answers[1] = ok;
  checked.pass(12s);
  CHECK(checked.down(1));
  checked.pass(11s);
  CHECK_FALSE(checked.down(1));
}

TEST_CASE("a server that keeps silent, or refuses, is down after fall checks") {
  Checked checked(2);
  checked.pass(300ms);
  checked.farm.answers[0] = "-";
  checked.farm.servers[1]->stop_listening();
  checked.pass(11s);
  CHECK_FALSE(checked.down(0));
  checked.pass(18s);
  CHECK(checked.down(0));
  CHECK(checked.down(1));
  checked.farm.client = checked.farm.bench.connect();
  const std::string refused = checked.farm.ask();
  CHECK(refused.starts_with("HTTP/1.1 503 "));
}

TEST_CASE("a check asks for its path, as itself") {
  Checked checked(1);
  auto& server = *checked.farm.servers[0];
  checked.farm.bench.advance(200ms);
  checked.farm.bench.until([&] {
    return !server.connections.empty() && whole_message(server.connections[0]->received);
  });
  const std::string& seen = server.connections[0]->received;
  CHECK(seen.starts_with("GET /up?deep HTTP/1.1\r\n"));
  CHECK(field_of(seen, "Host") == "127.0.0.1:" + std::to_string(server.port()));
  CHECK(field_of(seen, "User-Agent") == "gatehouse-health");
}

TEST_CASE("without checks in the config nobody stays down") {
  Checked checked(2);
  checked.farm.answers[1] = busy;
  checked.pass(300ms);
  CHECK(checked.down(1));
  checked.farm.bench.backend.health.path.clear();
  checked.farm.bench.publish();
  checked.follow();
  CHECK_FALSE(checked.down(1));
}

}  // namespace health_check_test
