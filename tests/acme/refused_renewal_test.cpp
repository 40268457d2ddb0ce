#include <doctest/doctest.h>

#include "acme/keeper.hpp"
#include "acme/order_runner.hpp"
#include "core/tls/certificate.hpp"
#include "tests/support/fake_ca.hpp"
#include "tests/support/keeper_bench.hpp"

namespace gatehouse::acme::refused_renewal_test {
namespace {

using namespace std::chrono_literals;
using test::FakeCa;
using test::KeeperBench;
using test::Lifeline;

constexpr auto day = 24h;

CaClient::Settings at_the_fake_ca() {
  CaClient::Settings settings;
  settings.directory = FakeCa::directory_url;
  return settings;
}

/// A keeper whose orders are real ones, at a CA that does as told.
struct WholeBench : KeeperBench {
  explicit WholeBench(std::vector<std::string> cas = {"main"}) {
    ca.reuse_valid = true;
    Wanted first = wanted("a.example");
    first.acme.own().ca = std::move(cas);
    want({first});
  }
  ~WholeBench() { stop(); }  // while the CA is still there

  void want(std::vector<Wanted> all) {
    Plan wanted_there = plan(std::move(all));
    wanted_there.cas["main"] = {whole_issuer, nullptr};
    keeper->reconcile(std::move(wanted_there));
    settle();
  }

  /// The CA is polled while time goes on.
  void advance_until(const std::function<bool()>& done) {
    for (int seconds = 0; seconds < 120 && !done(); ++seconds) advance(1s);
    REQUIRE(done());
  }
  CertificateStatus status() const { return keeper->status().front(); }
  std::string served_serial() const {
    return outlet.served.at("a.example")->by_preference.front()->serial_hex();
  }
  std::string stored_serial() {
    const auto stored = store->load_certificate({client.storage_name(), "a.example", "p256"});
    REQUIRE(stored.has_value());
    REQUIRE(stored->has_value());
    return (*tls::Certificate::parse((*stored)->chain_pem, (*stored)->key_pem))->serial_hex();
  }

  Lifeline life;
  FakeCa ca{clock, life};
  CaClient client{at_the_fake_ca(), ca, *store, helpers, clock};
  std::shared_ptr<CaIssuer> whole_issuer =
      std::make_shared<CaIssuer>(client, outlet, *store, helpers, clock);
};

TEST_CASE("a renewal that only the handshake with ourselves refuses leaves the old certificate") {
  WholeBench bench;
  bench.advance_until([&] { return bench.outlet.served.contains("a.example"); });
  const std::string old = bench.served_serial();
  CHECK(bench.stored_serial() == old);
  const int publications = bench.outlet.publications;

  bench.ca.certificate_is = FakeCa::Wrong::weak_issuer;
  bench.advance(65 * day);
  bench.advance_until([&] { return bench.status().state == CertificateState::failing; });
  CHECK(bench.ca.issued == 2);
  CHECK(bench.served_serial() == old);
  CHECK(bench.stored_serial() == old);
  CHECK(bench.outlet.publications == publications);
  CHECK(bench.status().serial == old);
  CHECK(bench.status().last_error == "handshake with ourselves: server: ca key too small");

  bench.ca.certificate_is = FakeCa::Wrong::nothing;
  bench.advance(2h);
  bench.advance_until([&] { return bench.served_serial() != old; });
  CHECK(bench.stored_serial() == bench.served_serial());
  CHECK(bench.status().state == CertificateState::live);
  CHECK(bench.status().last_error == "");
  CHECK(bench.ca.complaints == std::vector<std::string>{});
}

TEST_CASE("a chain that we refuse puts off its own name at that CA, and no other name") {
  WholeBench bench;
  bench.ca.certificate_is = FakeCa::Wrong::weak_issuer;
  bench.advance_until([&] { return bench.status().state == CertificateState::failing; });
  CHECK(bench.ca.orders_made == 1);

  bench.ca.certificate_is = FakeCa::Wrong::nothing;
  bench.want({bench.wanted("a.example"), bench.wanted("b.example")});
  CHECK(bench.ca.orders_made == 2);  // not a moment has passed
  bench.advance_until([&] { return bench.outlet.served.contains("b.example"); });
  CHECK(bench.ca.orders_made == 2);
  CHECK_FALSE(bench.outlet.served.contains("a.example"));
  CHECK(bench.status().state == CertificateState::failing);
  CHECK(bench.status().attempts == 1);
}

TEST_CASE("a name whose chain we refused three times is ordered from the next CA") {
  WholeBench bench({"main", "second"});
  bench.ca.certificate_is = FakeCa::Wrong::weak_issuer;
  for (int minutes = 0; minutes < 8; ++minutes)
    for (int seconds = 0; seconds < 60; ++seconds) bench.advance(1s);
  CHECK(bench.ca.issued == 3);
  REQUIRE(bench.second->requests.size() == 1);
  CHECK(bench.second->requests.front().host == "a.example");
  CHECK(bench.status().issuer == "second-ca");
  CHECK(bench.outlet.served.contains("a.example"));
}

}  // namespace
}  // namespace gatehouse::acme::refused_renewal_test
