#include "acme/keeper.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include "acme/backoff.hpp"
#include "core/tls/certificate.hpp"
#include "tests/support/keeper_bench.hpp"

namespace gatehouse::acme::keeper_test {
namespace {

using namespace std::chrono_literals;
using config::TlsMode;
using test::issue_failure;
using test::KeeperBench;

constexpr auto day = 24h;

CertificateStatus only_status(const KeeperBench& bench) {
  const auto all = bench.keeper->status();
  REQUIRE(all.size() == 1);
  return all.front();
}

std::string serial_of(const tls::CertificateHandle& handle) {
  return handle->by_preference.front()->serial_hex();
}

TEST_CASE("configured names are ordered in the background and published") {
  KeeperBench bench;
  bench.reconcile({bench.wanted("a.example"), bench.wanted("b.example")});
  CHECK(bench.outlet.served.contains("a.example"));
  CHECK(bench.outlet.served.contains("b.example"));
  CHECK(bench.issuer->requests.size() == 2);
  CHECK(bench.issuer->requests.front().names.size() == 1);
  CHECK(bench.keeper->status().front().state == CertificateState::live);
}

TEST_CASE("a CA whose limits are not known has no ledger on disk before it names one itself") {
  KeeperBench bench;
  bench.reconcile({bench.wanted("a.example")});
  CHECK(bench.outlet.served.contains("a.example"));
  CHECK_FALSE(bench.store->load_budget("main-ca").value());
  IssueFailure closed;
  closed.retry = Retry::at_time;
  closed.whole_ca = true;
  closed.not_before = bench.clock.wall() + 1h;
  bench.issuer->failures = {closed};
  bench.reconcile({bench.wanted("a.example"), bench.wanted("b.example")});
  const auto stored = bench.store->load_budget("main-ca").value();
  REQUIRE(stored);
  CHECK(stored->closed_until.at("ca") == closed.not_before);
}

TEST_CASE("after a restart storage serves, and nothing is ordered again") {
  KeeperBench bench;
  bench.reconcile({bench.wanted("a.example")});
  const std::string serial = serial_of(bench.outlet.served.at("a.example"));
  bench.restart();
  bench.reconcile({bench.wanted("a.example")});
  REQUIRE(bench.outlet.served.contains("a.example"));
  CHECK(serial_of(bench.outlet.served.at("a.example")) == serial);
  CHECK(bench.issuer->requests.size() == 1);
}

TEST_CASE("several orders run at once, but no more than eight") {
  KeeperBench bench;
  bench.issuer->hold = true;
  std::vector<Wanted> many;
  for (int n = 0; n < 30; ++n) many.push_back(bench.wanted("h" + std::to_string(n) + ".example"));
  bench.reconcile(many);
  CHECK(bench.issuer->running == 8);
  bench.issuer->let_go();
  bench.settle();
  CHECK(bench.outlet.served.size() == 30);
  CHECK(bench.issuer->most_running == 8);
  CHECK(bench.issuer->requests.size() == 30);
}

TEST_CASE("each key type of a name is an order of its own, ECDSA served first") {
  KeeperBench bench;
  Wanted both = bench.wanted("a.example");
  both.acme.own().key_type = {"p256", "rsa2048"};
  bench.reconcile({both});
  REQUIRE(bench.outlet.served.contains("a.example"));
  const auto& set = *bench.outlet.served.at("a.example");
  REQUIRE(set.by_preference.size() == 2);
  CHECK(set.by_preference[0]->key_type() == tls::KeyType::p256);
  CHECK(set.by_preference[1]->key_type() == tls::KeyType::rsa2048);
  CHECK(bench.issuer->requests.size() == 2);
  CHECK(bench.issuer->requests[0].host != bench.issuer->requests[1].host);
}

TEST_CASE("a certificate is renewed between two thirds of its life and a twentieth later") {
  KeeperBench bench;
  bench.reconcile({bench.wanted("a.example")});
  const std::string first = serial_of(bench.outlet.served.at("a.example"));
  bench.advance(60 * day - 1h);
  CHECK(bench.issuer->requests.size() == 1);
  bench.advance(4 * day + 13h + 1h);
  CHECK(bench.issuer->requests.size() == 2);
  CHECK(serial_of(bench.outlet.served.at("a.example")) != first);
}

TEST_CASE("a failed renewal leaves the old certificate where it is until the CA is back") {
  KeeperBench bench;
  bench.reconcile({bench.wanted("a.example")});
  const std::string first = serial_of(bench.outlet.served.at("a.example"));
  bench.issuer->failures = {issue_failure(Retry::later)};
  bench.issuer->fail_for_ever = true;
  for (int days = 0; days < 95; ++days) bench.advance(day);
  CHECK(serial_of(bench.outlet.served.at("a.example")) == first);
  CHECK(only_status(bench).state == CertificateState::expired);
  CHECK(bench.issuer->requests.size() > 20);
  CHECK(bench.issuer->requests.size() < 60);
  bench.issuer->fail_for_ever = false;
  bench.issuer->failures.clear();
  bench.advance(day);
  CHECK(serial_of(bench.outlet.served.at("a.example")) != first);
  CHECK(only_status(bench).state == CertificateState::live);
}

TEST_CASE("a failure waits on the ladder, and a restart does not shorten it") {
  KeeperBench bench;
  bench.issuer->failures = {issue_failure(Retry::later), issue_failure(Retry::later),
                            issue_failure(Retry::later)};
  bench.reconcile({bench.wanted("a.example")});
  CHECK(bench.issuer->requests.size() == 1);
  CHECK(only_status(bench).state == CertificateState::failing);
  CHECK(only_status(bench).last_error.find("does not answer") != std::string::npos);
  bench.advance(73s);
  CHECK(bench.issuer->requests.size() == 2);
  bench.restart();
  bench.reconcile({bench.wanted("a.example")});
  CHECK(bench.issuer->requests.size() == 2);
  CHECK(only_status(bench).attempts == 2);
  bench.advance(90s);
  CHECK(bench.issuer->requests.size() == 2);
  bench.advance(60s);
  CHECK(bench.issuer->requests.size() == 3);
}

TEST_CASE("a CA that refuses for good is passed over for the next one") {
  KeeperBench bench;
  bench.issuer->failures = {issue_failure(Retry::permanent)};
  Wanted both = bench.wanted("a.example");
  both.acme.own().ca = {"main", "second"};
  bench.reconcile({both});
  CHECK(bench.issuer->requests.size() == 1);
  CHECK(bench.second->requests.size() == 1);
  CHECK(only_status(bench).issuer == "second-ca");
}

TEST_CASE("what another way could mend at once is tried at once, but once") {
  KeeperBench bench;
  bench.issuer->failures = {issue_failure(Retry::now), issue_failure(Retry::now)};
  bench.reconcile({bench.wanted("a.example")});
  CHECK(bench.issuer->requests.size() == 2);
  CHECK_FALSE(bench.outlet.served.contains("a.example"));
}

TEST_CASE("a retry asks the CA's test endpoint first, and stops where that fails") {
  KeeperBench bench;
  bench.staging = std::make_shared<test::FakeIssuer>(bench.clock, "staging-ca");
  bench.issuer->failures = {issue_failure(Retry::later)};
  bench.staging->failures = {issue_failure(Retry::later)};
  bench.reconcile({bench.wanted("a.example")});
  CHECK(bench.staging->requests.empty());
  bench.advance(73s);
  CHECK(bench.staging->requests.size() == 1);
  CHECK(bench.issuer->requests.size() == 1);
  bench.advance(145s);
  CHECK(bench.staging->requests.size() == 2);
  CHECK(bench.issuer->requests.size() == 2);
  CHECK(only_status(bench).issuer == "main-ca");
}

TEST_CASE("while a CA is down as a whole, it is not asked for every name") {
  KeeperBench bench;
  IssueFailure down = issue_failure(Retry::later);
  down.whole_ca = true;
  bench.issuer->failures = {down};
  bench.issuer->fail_for_ever = true;
  std::vector<Wanted> many;
  for (int n = 0; n < 30; ++n) many.push_back(bench.wanted("h" + std::to_string(n) + ".example"));
  bench.reconcile(many);
  CHECK(bench.issuer->requests.size() <= 30);
  const auto before = bench.issuer->requests.size();
  bench.issuer->fail_for_ever = false;
  bench.issuer->failures.clear();
  for (int minutes = 0; minutes < 30; ++minutes) bench.advance(1min);
  CHECK(bench.outlet.served.size() == 30);
  CHECK(before >= 1);
}

TEST_CASE("a reload takes away and brings back a name while its order is under way") {
  KeeperBench bench;
  bench.issuer->hold = true;
  bench.reconcile({bench.wanted("a.example")});
  CHECK(bench.issuer->running == 1);
  bench.reconcile({bench.wanted("b.example")});
  bench.reconcile({bench.wanted("a.example"), bench.wanted("b.example")});
  CHECK(bench.issuer->running == 2);
  bench.issuer->let_go();
  bench.settle();
  CHECK(bench.outlet.served.contains("a.example"));
  CHECK(bench.outlet.served.contains("b.example"));
  CHECK(bench.issuer->requests.size() == 2);
}

TEST_CASE("what a removed name's order brings is stored but not published") {
  KeeperBench bench;
  bench.issuer->hold = true;
  bench.reconcile({bench.wanted("a.example")});
  bench.reconcile({});
  bench.issuer->let_go();
  bench.settle();
  CHECK_FALSE(bench.outlet.served.contains("a.example"));
  CHECK(bench.keeper->status().empty());
  CHECK(bench.store->load_certificate({"main-ca", "a.example", "p256"})->has_value());
}

TEST_CASE("a name that left the config is withdrawn") {
  KeeperBench bench;
  bench.reconcile({bench.wanted("a.example")});
  REQUIRE(bench.outlet.served.contains("a.example"));
  bench.reconcile({});
  CHECK_FALSE(bench.outlet.served.contains("a.example"));
}

TEST_CASE("a certificate of a CA that left the list serves until the new one is there") {
  KeeperBench bench;
  bench.reconcile({bench.wanted("a.example")});
  bench.restart();
  bench.second->hold = true;
  Wanted moved = bench.wanted("a.example");
  moved.acme.own().ca = {"second"};
  bench.reconcile({moved});
  REQUIRE(bench.outlet.served.contains("a.example"));
  CHECK(only_status(bench).issuer == "main-ca");
  bench.second->let_go();
  bench.settle();
  CHECK(only_status(bench).issuer == "second-ca");
}

TEST_CASE("two processes with one folder make one order") {
  KeeperBench one;
  KeeperBench two(one.data_dir);
  one.issuer->hold = true;
  one.reconcile({one.wanted("a.example")});
  two.stop();
  two.start("two");
  two.reconcile({two.wanted("a.example")});
  CHECK(two.issuer->requests.empty());
  one.issuer->let_go();
  one.settle();
  two.advance(3s);
  CHECK(two.outlet.served.contains("a.example"));
  CHECK(two.issuer->requests.empty());
}

TEST_CASE("a storage that takes nothing stops the order before it is made") {
  KeeperBench bench;
  bench.system.fail_at(0, test::FaultyFileSystem::Kind::crash);
  bench.reconcile({bench.wanted("a.example")});
  CHECK(bench.issuer->requests.empty());
  bench.system.heal();
  bench.advance(61s);
  CHECK(bench.outlet.served.contains("a.example"));
}

TEST_CASE("a key with wrong modes is refused until an operator mends it") {
  KeeperBench bench;
  bench.reconcile({bench.wanted("a.example")});
  bench.restart();
  const std::string key = bench.data_dir + "/certificates/main-ca/a.example/p256/key.pem";
  std::filesystem::permissions(key, std::filesystem::perms(0644));
  bench.reconcile({bench.wanted("a.example")});
  CHECK(only_status(bench).state == CertificateState::refused);
  CHECK(only_status(bench).last_error.find("0644") != std::string::npos);
  CHECK(bench.issuer->requests.size() == 1);
  std::filesystem::permissions(key, std::filesystem::perms(0600));
  bench.advance(61s);
  CHECK(bench.outlet.served.contains("a.example"));
  CHECK(bench.issuer->requests.size() == 1);
}

TEST_CASE("files are read, and read again when they change") {
  KeeperBench bench;
  const auto write = [&](const test::TestPair& pair) {
    std::ofstream(bench.folder / "cert.pem") << pair.chain_pem;
    std::ofstream(bench.folder / "key.pem") << pair.key_pem;
  };
  Wanted site = bench.wanted("a.example", TlsMode::files);
  site.cert = bench.folder / "cert.pem";
  site.key = bench.folder / "key.pem";
  bench.reconcile({site});
  CHECK(only_status(bench).state == CertificateState::refused);
  CHECK(only_status(bench).last_error.find("cert.pem") != std::string::npos);
  write(test::make_pair_for({"a.example"}, bench.clock.wall(), bench.clock.wall() + day));
  bench.advance(61s);
  REQUIRE(bench.outlet.served.contains("a.example"));
  CHECK(!bench.outlet.asked.at("a.example"));
  const std::string first = serial_of(bench.outlet.served.at("a.example"));
  // Another size too: the file system's clock may be too coarse to tell two writes apart.
  write(test::make_pair_for({"a.example", "b.example"}, bench.clock.wall(),
                            bench.clock.wall() + day));
  bench.advance(61s);
  CHECK(serial_of(bench.outlet.served.at("a.example")) != first);
  const std::string second = serial_of(bench.outlet.served.at("a.example"));
  std::ofstream(bench.folder / "cert.pem") << "half";
  bench.advance(61s);
  CHECK(serial_of(bench.outlet.served.at("a.example")) == second);
  CHECK(bench.issuer->requests.empty());
}

TEST_CASE("a certificate that a handshake waits for is loaded before those nobody waits for") {
  KeeperBench bench;
  const auto pair =
      test::make_pair_for({"*.example"}, bench.clock.wall(), bench.clock.wall() + day);
  std::ofstream(bench.folder / "cert.pem") << pair.chain_pem;
  std::ofstream(bench.folder / "key.pem") << pair.key_pem;
  std::vector<Wanted> all;
  for (int i = 0; i < 200; ++i) {
    all.push_back(bench.wanted("h" + std::to_string(i) + ".example", TlsMode::files));
    all.back().cert = bench.folder / "cert.pem";
    all.back().key = bench.folder / "key.pem";
  }
  bench.keeper->reconcile(bench.plan(all));
  const auto first = bench.ask_for("h198.example");
  const auto second = bench.ask_for("h199.example");
  bench.run_until([&] { return first->done && second->done; });
  REQUIRE(second->done);
  CHECK(second->result.has_value());
  CHECK(bench.outlet.publications < 20);
  bench.settle();
  CHECK(bench.outlet.served.size() == all.size());
  // A reload of what stayed the same reads and publishes nothing, not even when it looks again.
  const int before = bench.outlet.publications;
  bench.reconcile(all);
  bench.advance(61s);
  CHECK(bench.outlet.publications == before);
}

TEST_CASE("internal names are issued at start, and those under a wildcard when asked for") {
  KeeperBench bench;
  bench.reconcile({bench.wanted("localhost", TlsMode::internal),
                   bench.wanted("*.localhost", TlsMode::internal)});
  CHECK(bench.outlet.served.contains("localhost"));
  CHECK(bench.internal->requests.size() == 1);
  const auto answer = bench.ask_for("x.localhost");
  bench.settle();
  REQUIRE(answer->done);
  REQUIRE(answer->result.has_value());
  CHECK(bench.outlet.served.contains("x.localhost"));
  CHECK(bench.internal->requests.back().names == std::vector<std::string>{"x.localhost"});
  const auto stranger = bench.ask_for("x.elsewhere");
  bench.settle();
  REQUIRE(stranger->done);
  CHECK(stranger->result.error().fault() == Fault::not_found);
}

TEST_CASE("an evicted name is given to the workers again when they ask") {
  KeeperBench bench;
  bench.reconcile({bench.wanted("a.example")});
  bench.outlet.served.clear();
  const auto answer = bench.ask_for("a.example");
  bench.settle();
  REQUIRE(answer->done);
  CHECK(answer->result.has_value());
  CHECK(bench.outlet.served.contains("a.example"));
  CHECK(bench.issuer->requests.size() == 1);
}

TEST_CASE("a handshake for a name in back-off hears of it at once") {
  KeeperBench bench;
  bench.issuer->failures = {issue_failure(Retry::permanent)};
  bench.reconcile({bench.wanted("a.example")});
  const auto answer = bench.ask_for("a.example");
  bench.settle();
  REQUIRE(answer->done);
  REQUIRE_FALSE(answer->result.has_value());
  CHECK(answer->result.error().side() == Side::ca);
}

TEST_CASE("stopping ends orders and wakes who waits") {
  KeeperBench bench;
  bench.issuer->hold = true;
  bench.reconcile({bench.wanted("a.example")});
  const auto answer = bench.ask_for("a.example");
  bench.settle();
  CHECK_FALSE(answer->done);
  CHECK(bench.keeper->waiting() == 1);
  bench.stop();
  CHECK(answer->done);
  CHECK_FALSE(answer->result.has_value());
  CHECK(bench.issuer->cancelled == 1);
  // The lease was given back: a restart goes on at once.
  bench.issuer->let_go();
  bench.start();
  bench.reconcile({bench.wanted("a.example")});
  CHECK(bench.outlet.served.contains("a.example"));
}

TEST_CASE("certificates of CAs and of the internal one leave their lines in the audit log") {
  KeeperBench bench;
  bench.issuer->failures = {issue_failure(Retry::later)};
  bench.reconcile({bench.wanted("a.example"), bench.wanted("b.test", TlsMode::internal)});
  bench.advance(75s);
  REQUIRE(bench.keeper->renew("b.test").has_value());
  bench.settle();
  const std::string lines = *PosixFileSystem().read(bench.audit_path);
  const auto says = [&lines](const std::string& event, const std::string& name,
                             const std::string& ca) {
    const std::string wanted =
        R"("event":")" + event + R"(","name":")" + name + R"(","ca":")" + ca + "\"";
    return lines.find(wanted) != std::string::npos;
  };
  CHECK(says("certificate ordered", "a.example", "main-ca"));
  CHECK(says("certificate not obtained", "a.example", "main-ca"));
  CHECK(says("certificate issued", "a.example", "main-ca"));
  CHECK(says("certificate ordered", "b.test", "internal"));
  CHECK(says("certificate issued", "b.test", "internal"));
  CHECK(says("certificate renewed", "b.test", "internal"));
}

TEST_CASE("an operator's renewal does not wait for the due date") {
  KeeperBench bench;
  bench.reconcile({bench.wanted("a.example")});
  REQUIRE(bench.keeper->renew("a.example").has_value());
  bench.settle();
  CHECK(bench.issuer->requests.size() == 2);
  CHECK(bench.keeper->renew("b.example").error().fault() == Fault::not_found);
}

}  // namespace
}  // namespace gatehouse::acme::keeper_test
