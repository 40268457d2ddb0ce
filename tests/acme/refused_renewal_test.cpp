#include <doctest/doctest.h>

#include "acme/keeper.hpp"
#include "acme/order_runner.hpp"
#include "core/tls/certificate.hpp"
#include "tests/support/fake_ca.hpp"
#include "tests/support/keeper_bench.hpp"

namespace gatehouse::acme {
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
  WholeBench() {
    ca.reuse_valid = true;
    Plan wanted_there = plan({wanted("a.example")});
    wanted_there.cas["main"] = {whole_issuer, nullptr};
    keeper->reconcile(std::move(wanted_there));
    settle();
  }
  ~WholeBench() { stop(); }  // while the CA is still there

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

}  // namespace
}  // namespace gatehouse::acme
