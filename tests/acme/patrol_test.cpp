#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tests/support/keeper_bench.hpp"

namespace gatehouse::acme::patrol_test {
namespace {

using namespace std::chrono_literals;
using config::TlsMode;
using test::KeeperBench;

/// A site for every name, whose certificates a former life has made.
struct Bench : KeeperBench {
  Bench() { on_demand.allow = {"*.example.com"}; }
  void open() { reconcile({wanted("*", TlsMode::on_demand)}); }
  void make(const std::vector<std::string>& hosts) {
    open();
    for (const std::string& host : hosts) {
      const auto answer = ask_for(host);
      settle();
      REQUIRE(answer->result.has_value());
    }
    issuer->requests.clear();
  }
  /// The machine is off for so long; then nobody asks for anything.
  void sleep_and_restart(std::chrono::hours length) {
    stop();
    outlet.served.clear();
    clock.advance(length);
    start();
    open();
  }
  std::set<std::string> ordered() const {
    std::set<std::string> hosts;
    for (const IssueRequest& request : issuer->requests) hosts.insert(request.host);
    return hosts;
  }
};

TEST_CASE("a stored name that falls due is renewed though nobody asked for it since the start") {
  Bench bench;
  bench.make({"a.example.com"});
  bench.sleep_and_restart(24h * 62);
  CHECK(bench.ordered().empty());
  CHECK(bench.keeper->status().empty());
  bench.advance(24h * 5);
  CHECK(bench.ordered() == std::set<std::string>{"a.example.com"});
  CHECK(bench.issuer->requests.size() == 1);
  // Nobody came for it: neither we nor the workers remember it.
  CHECK(bench.keeper->status().empty());
  CHECK(bench.outlet.served.empty());
  const auto stored = bench.store->load_certificate({"main-ca", "a.example.com", "p256"});
  REQUIRE(stored.has_value());
  CHECK((*stored)->meta.not_before > bench.clock.wall() - 24h);
  bench.advance(2h);
  CHECK(bench.issuer->requests.size() == 1);
}

TEST_CASE("stored names that are not due, have run out or are no longer wanted are left alone") {
  Bench bench;
  bench.make({"a.example.com"});
  SUBCASE("not due") { bench.sleep_and_restart(24h * 30); }
  SUBCASE("run out") { bench.sleep_and_restart(24h * 91); }
  SUBCASE("off the allow list") {
    bench.on_demand.allow = {"b.example.com"};
    bench.sleep_and_restart(24h * 70);
  }
  SUBCASE("no site") {
    bench.sleep_and_restart(24h * 70);
    bench.reconcile({bench.wanted("*", TlsMode::off)});
  }
  bench.advance(3h);
  CHECK(bench.ordered().empty());
  CHECK(bench.keeper->status().empty());
}

TEST_CASE("the ask endpoint is asked before a stored name is renewed, and a no is a no") {
  Bench bench;
  bench.make({"a.example.com"});
  bench.on_demand.allow.clear();
  bench.on_demand.ask = "http://127.0.0.1:9/ask";
  bench.ask.answer = {404, std::nullopt};
  bench.sleep_and_restart(24h * 70);
  bench.advance(2h);
  REQUIRE_FALSE(bench.ask.urls.empty());
  CHECK(bench.ask.urls.back().ends_with("domain=a.example.com&ip=0.0.0.0&reason=renew"));
  CHECK(bench.ordered().empty());
  CHECK(bench.keeper->status().empty());
  bench.ask.answer = {200, std::nullopt};
  bench.advance(2h);
  CHECK(bench.ordered().size() == 1);
}

TEST_CASE("whoever asks for a stored name while it is renewed is served what there is") {
  Bench bench;
  bench.make({"a.example.com"});
  bench.sleep_and_restart(24h * 70);
  bench.issuer->hold = true;
  bench.advance(1h);
  CHECK(bench.issuer->running == 1);
  CHECK(bench.outlet.served.empty());
  const auto answer = bench.ask_for("a.example.com");
  bench.settle();
  REQUIRE(answer->done);
  CHECK(answer->result.has_value());
  CHECK(bench.outlet.served.contains("a.example.com"));
  bench.issuer->let_go();
  bench.settle();
  CHECK(bench.keeper->status().size() == 1);
  CHECK(bench.issuer->requests.size() == 1);
}

TEST_CASE("many stored names are gone through in batches, a few of them in memory at a time") {
  Bench bench;
  const Wall now = bench.clock.wall();
  for (int n = 0; n < 450; ++n) {
    const std::string host = "h" + std::to_string(n) + ".example.com";
    CertificateMeta meta;
    meta.names = {host};
    meta.not_before = now;
    meta.not_after = now + 24h * (n % 9 == 0 ? 90 : 300);
    const std::string folder = "certificates/main-ca/" + host_folder(host) + "/p256";
    REQUIRE(bench.store->save_file(folder + "/meta.json", to_json(meta)).has_value());
    if (n % 9 != 0) continue;
    const auto own = test::make_pair_for({host}, now, now + 24h * 90);
    REQUIRE(
        bench.store->save_certificate({"main-ca", host, "p256"}, {own.chain_pem, own.key_pem, meta})
            .has_value());
  }
  bench.sleep_and_restart(24h * 70);
  bench.advance(5min);
  std::size_t most = 0;
  for (int turn = 0; turn < 20; ++turn) {
    most = std::max(most, bench.keeper->status().size());
    bench.advance(1s);
  }
  CHECK(bench.ordered().size() == 50);
  CHECK(most <= 50);
  CHECK(bench.keeper->status().empty());
}

}  // namespace
}  // namespace gatehouse::acme::patrol_test
