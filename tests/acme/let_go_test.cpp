// Certificates that the workers have let go of: what the keeper still knows, and how they come
// back.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "core/tls/certificate.hpp"
#include "tests/support/keeper_bench.hpp"

namespace gatehouse::acme::let_go_test {
namespace {

using namespace std::chrono_literals;
using config::TlsMode;
using test::KeeperBench;

constexpr auto day = 24h;

struct Bench : KeeperBench {
  /// As a worker whose index is full, once its last connection with that certificate has ended.
  void let_go(const std::string& host) {
    std::vector<std::weak_ptr<const tls::Certificate>> gone;
    for (const auto& one : outlet.served.at(host)->by_preference) gone.push_back(one);
    outlet.served.erase(host);
    for (const auto& one : gone) REQUIRE(one.expired());
  }
  /// The serial numbers a handshake gets; none: why it is refused is in `error`.
  std::vector<std::string> shake(const std::string& host) {
    const auto answer = ask_for(host);
    settle();
    REQUIRE(answer->done);
    return serials(*answer);
  }
  std::vector<std::string> serials(const Answer& answer) {
    if (!answer.result) {
      error = answer.result.error().detail();
      return {};
    }
    std::vector<std::string> all;
    for (const auto& one : (*answer.result)->by_preference) all.push_back(one->serial_hex());
    return all;
  }
  std::vector<std::string> served(const std::string& host) {
    std::vector<std::string> all;
    for (const auto& one : outlet.served.at(host)->by_preference) all.push_back(one->serial_hex());
    return all;
  }
  void write(const test::TestPair& pair) const {
    std::ofstream(folder / "cert.pem") << pair.chain_pem;
    std::ofstream(folder / "key.pem") << pair.key_pem;
  }
  Wanted files(const std::string& host) const {
    Wanted site = wanted(host, TlsMode::files);
    site.cert = folder / "cert.pem";
    site.key = folder / "key.pem";
    return site;
  }
  /// In the place of what was issued, as by another process.
  void store_another(const std::string& host) {
    StoredCertificate other;
    other.meta.not_before = clock.wall() - 1h;
    other.meta.not_after = clock.wall() + 80 * day;
    const auto pair = test::make_pair_for({host}, other.meta.not_before, other.meta.not_after);
    other.chain_pem = pair.chain_pem;
    other.key_pem = pair.key_pem;
    REQUIRE(store->save_certificate({"main-ca", host, "p256"}, other).has_value());
  }
  /// Nine names are due, eight are at work for as long as the issuer holds them; returns the ninth.
  std::string last_of_nine_renewals() {
    std::vector<Wanted> all;
    for (int i = 0; i < 9; ++i) all.push_back(wanted("h" + std::to_string(i) + ".example"));
    reconcile(all);
    issuer->requests.clear();
    issuer->hold = true;
    advance(65 * day);
    std::set<std::string> waiting;
    for (const Wanted& each : all) waiting.insert(each.host);
    for (const IssueRequest& request : issuer->requests) waiting.erase(request.host);
    REQUIRE(waiting.size() == 1);
    return *waiting.begin();
  }
  std::string error;
};

TEST_CASE("a certificate that no worker has is read from storage when somebody asks for it") {
  Bench bench;
  Wanted both = bench.wanted("a.example");
  both.acme.own().key_type = {"p256", "rsa2048"};
  bench.reconcile({both});
  const auto first = bench.served("a.example");
  REQUIRE(first.size() == 2);
  bench.let_go("a.example");
  for (const CertificateStatus& status : bench.keeper->status()) {
    CHECK(status.state == CertificateState::live);
    CHECK(status.not_after == bench.clock.wall() + bench.issuer->life);
  }
  CHECK(bench.shake("a.example") == first);
  CHECK(bench.served("a.example") == first);
  CHECK(bench.outlet.asked.at("a.example"));
  CHECK(bench.issuer->requests.size() == 2);
}

TEST_CASE("many handshakes for a name that no worker has read it once") {
  Bench bench;
  bench.reconcile({bench.wanted("a.example")});
  const auto first = bench.served("a.example");
  bench.let_go("a.example");
  const int before = bench.outlet.publications;
  std::vector<std::shared_ptr<KeeperBench::Answer>> answers;
  for (int i = 0; i < 50; ++i) answers.push_back(bench.ask_for("a.example"));
  bench.settle();
  for (const auto& answer : answers) {
    REQUIRE(answer->done);
    CHECK(bench.serials(*answer) == first);
  }
  CHECK(bench.outlet.publications == before + 1);
}

TEST_CASE("a certificate that is let go of is renewed in its time, for nobody") {
  Bench bench;
  bench.reconcile({bench.wanted("a.example")});
  const auto first = bench.served("a.example");
  bench.let_go("a.example");
  bench.advance(65 * day);
  CHECK(bench.issuer->requests.size() == 2);
  CHECK(!bench.outlet.asked.at("a.example"));
  CHECK(bench.shake("a.example") != first);
}

TEST_CASE("whoever asks while it is renewed, or waits for its turn, is served at once") {
  Bench bench;
  std::vector<Wanted> all;
  for (int i = 0; i < 12; ++i) all.push_back(bench.wanted("h" + std::to_string(i) + ".example"));
  bench.reconcile(all);
  std::map<std::string, std::vector<std::string>> first;
  for (const Wanted& each : all) {
    first[each.host] = bench.served(each.host);
    bench.let_go(each.host);
  }
  bench.issuer->hold = true;
  bench.advance(65 * day);
  REQUIRE(bench.issuer->running == 8);
  for (const Wanted& each : all) CHECK(bench.shake(each.host) == first[each.host]);
  bench.issuer->let_go();
  bench.settle();
  CHECK(bench.issuer->requests.size() == 24);
  for (const Wanted& each : all) CHECK(bench.served(each.host) != first[each.host]);
}

TEST_CASE("a renewal keeps its key though no worker has the certificate") {
  Bench bench;
  Wanted site = bench.wanted("a.example");
  site.acme.own().reuse_key = true;
  bench.reconcile({site});
  bench.let_go("a.example");
  bench.advance(65 * day);
  REQUIRE(bench.issuer->requests.size() == 2);
  CHECK(bench.issuer->requests.back().previous_key_pem.find("PRIVATE KEY") != std::string::npos);
}

TEST_CASE("where storage has lost it too, it is ordered anew, and the handshake waits for that") {
  Bench bench;
  bench.reconcile({bench.wanted("a.example")});
  const auto first = bench.served("a.example");
  bench.let_go("a.example");
  REQUIRE(bench.store->remove_certificate({"main-ca", "a.example", "p256"}).has_value());
  const auto next = bench.shake("a.example");
  CHECK(next.size() == 1);
  CHECK(next != first);
  CHECK(bench.issuer->requests.size() == 2);
}

TEST_CASE("what stands in storage in its place is served in its place") {
  Bench bench;
  bench.reconcile({bench.wanted("a.example")});
  const auto first = bench.served("a.example");
  bench.let_go("a.example");
  bench.store_another("a.example");
  const auto next = bench.shake("a.example");
  CHECK(next.size() == 1);
  CHECK(next != first);
  CHECK(bench.issuer->requests.size() == 1);
}

TEST_CASE("what another process has renewed is served, though our own renewal waits for its turn") {
  Bench bench;
  const std::string last = bench.last_of_nine_renewals();
  const auto first = bench.served(last);
  bench.let_go(last);
  bench.store_another(last);
  const auto next = bench.shake(last);
  CHECK(next.size() == 1);
  CHECK(next != first);
}

TEST_CASE("where storage has lost it, its order is not waited for behind others' renewals") {
  Bench bench;
  const std::string last = bench.last_of_nine_renewals();
  bench.let_go(last);
  REQUIRE(bench.store->remove_certificate({"main-ca", last, "p256"}).has_value());
  const auto answer = bench.ask_for(last);
  bench.settle();
  CHECK_FALSE(answer->done);
  const auto status = bench.keeper->status();
  const auto at =
      std::find_if(status.begin(), status.end(), [&](const auto& one) { return one.host == last; });
  CHECK(at->state == CertificateState::absent);
  bench.issuer->let_go();
  bench.settle();
  REQUIRE(answer->done);
  CHECK(bench.serials(*answer).size() == 1);
}

TEST_CASE("storage that cannot be read for the time being is asked again by whoever comes next") {
  Bench bench;
  bench.reconcile({bench.wanted("a.example")});
  const auto first = bench.served("a.example");
  bench.let_go("a.example");
  bench.system.unreadable = true;
  CHECK(bench.shake("a.example").empty());
  CHECK(bench.error.find("too many open files") != std::string::npos);
  bench.system.unreadable = false;
  CHECK(bench.shake("a.example") == first);
  CHECK(bench.issuer->requests.size() == 1);
}

TEST_CASE("of two certificates one that cannot be read leaves the other") {
  Bench bench;
  Wanted both = bench.wanted("a.example");
  both.acme.own().key_type = {"p256", "rsa2048"};
  bench.reconcile({both});
  const auto first = bench.served("a.example");
  bench.let_go("a.example");
  const std::string key = bench.data_dir + "/certificates/main-ca/a.example/rsa2048/key.pem";
  std::filesystem::permissions(key, std::filesystem::perms(0644));
  CHECK(bench.shake("a.example") == std::vector<std::string>{first.front()});
  bench.let_go("a.example");  // nothing keeps it but who has it
  std::filesystem::permissions(key, std::filesystem::perms(0600));
  CHECK(bench.shake("a.example") == first);
}

TEST_CASE("names with a certificate are served while as many as may wait for new ones") {
  Bench bench;
  bench.on_demand.max_waiting = 2;
  bench.on_demand.allow = {"*.example.com"};
  bench.reconcile({bench.wanted("a.example"), bench.wanted("*.b.example"),
                   bench.wanted("*", TlsMode::on_demand)});
  const auto first = bench.served("a.example");
  bench.issuer->hold = true;
  const auto one = bench.ask_for("one.example.com");
  const auto two = bench.ask_for("two.example.com");
  bench.settle();
  CHECK(bench.shake("three.example.com").empty());
  CHECK(bench.error.find("max_waiting") != std::string::npos);
  bench.let_go("a.example");
  bench.let_go("*.b.example");
  CHECK(bench.shake("a.example") == first);
  CHECK(bench.shake("x.b.example").size() == 1);
}

TEST_CASE("of two certificates one may be lost from memory while the other is read") {
  Bench bench;
  Wanted both = bench.wanted("a.example");
  both.acme.own().key_type = {"p256", "rsa2048"};
  bench.reconcile({both});
  const auto first = bench.served("a.example");
  auto held = bench.outlet.served.at("a.example")->by_preference.front();
  bench.outlet.served.clear();
  const int before = bench.outlet.publications;
  REQUIRE(held.use_count() == 1);
  bench.system.on_read = [&held] { held.reset(); };
  const auto answer = bench.ask_for("a.example");
  bench.run_until([&] { return answer->done; });
  REQUIRE(answer->done);
  CHECK(held == nullptr);
  CHECK(bench.serials(*answer) == first);
  CHECK(bench.outlet.publications == before + 1);
}

TEST_CASE("what a reload has replaced is served until the new one is there") {
  Bench bench;
  Wanted site = bench.wanted("a.example");
  bench.reconcile({site});
  const auto first = bench.served("a.example");
  site.acme.own().key_type = {"p384"};
  bench.issuer->failures.push_back(test::issue_failure(Retry::later));
  bench.issuer->fail_for_ever = true;
  bench.reconcile({site});
  bench.outlet.served.clear();
  CHECK(bench.shake("a.example") == first);
  bench.outlet.served.clear();
  CHECK(bench.shake("a.example") == first);
}

TEST_CASE("an on-demand name that is let go of is not decided on again") {
  Bench bench;
  bench.on_demand.ask = "http://127.0.0.1/ask";
  bench.reconcile({bench.wanted("*", TlsMode::on_demand)});
  const auto first = bench.shake("a.example.com");
  REQUIRE(first.size() == 1);
  const std::size_t asked = bench.ask.urls.size();
  bench.let_go("a.example.com");
  CHECK(bench.shake("a.example.com") == first);
  CHECK(bench.ask.urls.size() == asked);
  CHECK(bench.issuer->requests.size() == 1);
}

TEST_CASE("files are read again when somebody asks, whatever is in them by then") {
  Bench bench;
  bench.write(test::make_pair_for({"a.example"}, bench.clock.wall(), bench.clock.wall() + day));
  bench.reconcile({bench.files("a.example")});
  const auto first = bench.served("a.example");
  bench.let_go("a.example");
  const int before = bench.outlet.publications;
  bench.advance(61s);  // they are the same: nobody needs to have them
  CHECK(bench.outlet.publications == before);
  CHECK(bench.shake("a.example") == first);
  bench.let_go("a.example");
  bench.write(test::make_pair_for({"a.example"}, bench.clock.wall(), bench.clock.wall() + day));
  const auto second = bench.shake("a.example");
  CHECK(second.size() == 1);
  CHECK(second != first);
}

TEST_CASE("a reload looks at files at once") {
  Bench bench;
  bench.write(test::make_pair_for({"a.example"}, bench.clock.wall(), bench.clock.wall() + day));
  bench.reconcile({bench.files("a.example")});
  const auto first = bench.served("a.example");
  bench.write(test::make_pair_for({"a.example", "b.example"}, bench.clock.wall(),
                                  bench.clock.wall() + day));
  bench.reconcile({bench.files("a.example")});
  CHECK(bench.served("a.example") != first);
}

TEST_CASE("files that have run out are served for as long as they stand there") {
  Bench bench;
  bench.write(test::make_pair_for({"a.example"}, bench.clock.wall(), bench.clock.wall() + 1h));
  bench.reconcile({bench.files("a.example")});
  const auto first = bench.served("a.example");
  bench.advance(2h);
  bench.let_go("a.example");
  CHECK(bench.shake("a.example") == first);
}

TEST_CASE("files that were damaged meanwhile are refused, and taken once they are whole") {
  Bench bench;
  const auto pair =
      test::make_pair_for({"a.example"}, bench.clock.wall(), bench.clock.wall() + day);
  bench.write(pair);
  bench.reconcile({bench.files("a.example")});
  const auto first = bench.served("a.example");
  const auto as_it_was = std::filesystem::last_write_time(bench.folder / "cert.pem");
  bench.let_go("a.example");
  std::ofstream(bench.folder / "cert.pem") << "half";
  CHECK(bench.shake("a.example").empty());
  CHECK(bench.error.find("cert.pem") != std::string::npos);
  CHECK(bench.keeper->status().front().state == CertificateState::refused);
  bench.write(pair);
  std::filesystem::last_write_time(bench.folder / "cert.pem", as_it_was);
  bench.advance(61s);
  CHECK(bench.shake("a.example") == first);
}

TEST_CASE("a certificate of the internal CA that is let go of is made again") {
  Bench bench;
  bench.reconcile({bench.wanted("localhost", TlsMode::internal),
                   bench.wanted("*.localhost", TlsMode::internal)});
  for (const std::string host : {"localhost", "x.localhost"}) {
    const auto first = bench.shake(host);
    REQUIRE(first.size() == 1);
    bench.let_go(host);
    const auto next = bench.shake(host);
    CHECK(next.size() == 1);
    CHECK(next != first);
  }
}

TEST_CASE("the internal CA's certificates do not wait behind those of other CAs") {
  Bench bench;
  bench.issuer->hold = true;
  std::vector<Wanted> all;
  for (int i = 0; i < 20; ++i) all.push_back(bench.wanted("h" + std::to_string(i) + ".example"));
  all.push_back(bench.wanted("localhost", TlsMode::internal));
  all.push_back(bench.wanted("*.localhost", TlsMode::internal));
  bench.reconcile(all);
  REQUIRE(bench.issuer->running == 8);
  CHECK(bench.shake("localhost").size() == 1);
  CHECK(bench.shake("x.localhost").size() == 1);
  bench.let_go("localhost");
  CHECK(bench.shake("localhost").size() == 1);
}

TEST_CASE("a name that leaves and comes back while it is let go of is served again") {
  Bench bench;
  bench.reconcile({bench.wanted("a.example"), bench.wanted("b.example")});
  const auto first = bench.served("a.example");
  bench.let_go("a.example");
  bench.issuer->hold = true;
  bench.advance(65 * day);  // work under way keeps its entry alive
  bench.reconcile({bench.wanted("b.example")});
  bench.reconcile({bench.wanted("a.example"), bench.wanted("b.example")});
  bench.issuer->failures.assign(2, test::issue_failure(Retry::later));
  bench.issuer->let_go();
  bench.settle();
  CHECK(bench.shake("a.example") == first);
}

TEST_CASE("of more names than may be in memory, only so many certificates are") {
  Bench bench;
  bench.outlet.index.emplace(3);
  std::vector<Wanted> all;
  for (int i = 0; i < 10; ++i) all.push_back(bench.wanted("h" + std::to_string(i) + ".example"));
  bench.reconcile(all);
  CHECK(bench.outlet.index->size() == 3);
  CHECK(bench.keeper->status().size() == 10);
  for (const CertificateStatus& status : bench.keeper->status())
    CHECK(status.state == CertificateState::live);
  std::vector<std::weak_ptr<const tls::CertificateSet>> sets;
  for (int round = 0; round < 3; ++round) {
    for (const Wanted& each : all) {
      const auto answer = bench.ask_for(each.host);
      bench.settle();
      REQUIRE(answer->done);
      REQUIRE(answer->result.has_value());
      CHECK((*answer->result)->by_preference.front()->covers(each.host));
      REQUIRE(bench.outlet.index->find(each.host) != nullptr);
      sets.push_back(*answer->result);
    }
  }
  const auto alive =
      std::count_if(sets.begin(), sets.end(), [](const auto& set) { return !set.expired(); });
  CHECK(alive == 3);
  CHECK(bench.issuer->requests.size() == 10);
}

}  // namespace
}  // namespace gatehouse::acme::let_go_test
