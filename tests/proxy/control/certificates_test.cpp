#include "proxy/control/certificates.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <filesystem>
#include <functional>
#include <future>

#include "config/load.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_dialer.hpp"
#include "tests/support/fake_outlet.hpp"
#include "tests/support/temporary_folder.hpp"

namespace certificates_test {

using namespace gatehouse;
using namespace gatehouse::control;

namespace {

/// A house of certificates whose CA lets every connection hang.
struct House {
  House() {
    const std::string text =
        "[server]\ndata_dir = \"" + data_dir() +
        "\"\n[acme]\nca = \"own\"\n[acme.issuer.own]\ndirectory = \"https://ca.example/dir\"\n"
        "[[site]]\nhosts = [\"a.example\"]\nbackend = \"h:1\"\n";
    auto loaded = config::load_text(text, "test.toml", config::Surroundings::system());
    REQUIRE(loaded.config.has_value());
    config = *std::move(loaded.config);
    dialer.hang();
    certificates =
        Certificates::open(config, {io.get_executor(), clock, entropy, helpers, dialer, outlet})
            .value();
  }

  std::string data_dir() const { return folder.path() + "/data"; }
  /// The leases on names that somebody holds.
  std::size_t leases() const {
    const std::filesystem::path locks = data_dir() + "/locks";
    if (!std::filesystem::exists(locks)) return 0;
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(locks), {}));
  }
  void run_until(const std::function<bool()>& done) {
    for (int turn = 0; turn < 20'000 && !done(); ++turn) {
      io.restart();
      io.run_one_for(std::chrono::milliseconds(1));
    }
    REQUIRE(done());
  }

  test::TemporaryFolder folder;
  config::Config config;
  test::FakeClock clock;
  SystemEntropy entropy;
  asio::io_context io;
  HelperPool helpers{1};
  test::FakeDialer dialer{clock};
  test::FakeOutlet outlet;
  std::unique_ptr<Certificates> certificates;
};

}  // namespace

TEST_CASE("an order cut by the stop gives its lease back, though all else is gone by then") {
  House house;
  // The helper goes on by steps, so that what is posted in the stop's last moment still waits.
  std::deque<std::promise<void>> gates;
  const auto hold = [&] {
    std::promise<void>& gate = gates.emplace_back();
    asio::post(house.helpers.executor(), [&gate] { gate.get_future().wait(); });
  };
  const auto step_until = [&](const std::function<bool()>& done) {
    house.run_until([&] {
      house.io.restart();
      if (house.io.poll() > 0 || done()) return done();
      hold();
      gates[gates.size() - 2].set_value();
      return false;
    });
  };
  hold();
  house.certificates->keeper().reconcile(house.certificates->plan(house.config).value());
  step_until([&] { return house.leases() == 1; });

  bool stopped = false;
  asio::co_spawn(house.io, house.certificates->stop(),
                 [&stopped](std::exception_ptr) { stopped = true; });
  step_until([&] { return stopped; });
  house.certificates.reset();
  CHECK(house.leases() == 1);
  gates.back().set_value();
  house.helpers.join();
  CHECK(house.leases() == 0);
}

TEST_CASE("each built-in CA has its directory, and only those have") {
  for (const char* name :
       {"letsencrypt", "letsencrypt-staging", "zerossl", "google", "google-staging", "sslcom"}) {
    CAPTURE(name);
    const CaAddress* at = built_in_ca(name);
    REQUIRE(at != nullptr);
    CHECK(at->directory.starts_with("https://"));
  }
  CHECK(built_in_ca("buypass") == nullptr);
  CHECK(built_in_ca("") == nullptr);
}

TEST_CASE("an issuer that only brings its binding is where the built-in CA of its name is") {
  config::Config config;
  config.acme.issuer["zerossl"].eab = config::Eab{"kid", {"c2VjcmV0"}};
  config.acme.issuer["letsencrypt"].directory = "https://ca.example/dir";
  config.acme.issuer["own"].roots = "/roots.pem";

  const auto bound = ca_settings(config, "zerossl");
  REQUIRE(bound.has_value());
  CHECK(bound->directory == built_in_ca("zerossl")->directory);
  REQUIRE(bound->eab.has_value());
  CHECK(bound->eab->key_id == "kid");

  const auto moved = ca_settings(config, "letsencrypt");
  REQUIRE(moved.has_value());
  CHECK(moved->directory == "https://ca.example/dir");
  CHECK(moved->staging.empty());

  const auto plain = ca_settings(config, "letsencrypt-staging");
  REQUIRE(plain.has_value());
  CHECK(plain->directory == built_in_ca("letsencrypt-staging")->directory);

  CHECK_FALSE(ca_settings(config, "own").has_value());
  CHECK_FALSE(ca_settings(config, "buypass").has_value());
}

}  // namespace certificates_test
