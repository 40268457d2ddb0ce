#include "proxy/control/certificates.hpp"

#include <doctest/doctest.h>

using namespace gatehouse;
using namespace gatehouse::control;

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
