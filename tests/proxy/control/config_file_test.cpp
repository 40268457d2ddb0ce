#include "proxy/control/config_file.hpp"

#include <doctest/doctest.h>

namespace config_file_test {

using namespace gatehouse;
using control::find_config;
using control::proxy_config;
using control::ProxyRequest;

namespace {

std::optional<std::string> nothing_set(const std::string&) { return std::nullopt; }

config::Config loaded(const ProxyRequest& request) {
  const auto text = proxy_config(request);
  REQUIRE(text.has_value());
  CAPTURE(*text);
  config::Loaded loaded = config::load_text(*text, "proxy", config::Surroundings::system());
  for (const config::Problem& problem : loaded.problems) FAIL_CHECK(problem.text());
  REQUIRE(loaded.config.has_value());
  return *std::move(loaded.config);
}

}  // namespace

TEST_CASE("the config file is looked for in the documented order") {
  const auto everywhere = [](const std::string&) { return true; };
  const auto etc_only = [](const std::string& path) { return path.starts_with("/etc/"); };
  const auto nowhere = [](const std::string&) { return false; };
  const auto set = [](const std::string& name) -> std::optional<std::string> {
    if (name == "GATEHOUSE_CONFIG") return "/from/environment.toml";
    return std::nullopt;
  };
  CHECK(find_config("given.toml", set, everywhere) == "given.toml");
  CHECK(find_config("", set, everywhere) == "/from/environment.toml");
  CHECK(find_config("", nothing_set, everywhere) == "gatehouse.toml");
  CHECK(find_config("", nothing_set, etc_only) == "/etc/gatehouse/gatehouse.toml");
  CHECK(find_config("", nothing_set, nowhere) == std::nullopt);
}

TEST_CASE("proxy without --from serves localhost:8443 with the internal CA and no plain HTTP") {
  const config::Config config = loaded({"", "http://localhost:3000", false});
  REQUIRE(config.sites.size() == 1);
  CHECK(config.sites[0].hosts == config::Strings{"localhost"});
  CHECK(config.sites[0].tls.mode == config::TlsMode::internal);
  CHECK(config.server.http.empty());
  REQUIRE(config.server.https.size() == 1);
  CHECK(config.server.https[0].port == 8443);
  REQUIRE(config.backends.size() == 1);
  CHECK(config.backends[0].servers[0].host == "localhost");
  CHECK(config.backends[0].servers[0].port == 3000);
}

TEST_CASE("proxy for a public name uses ACME on the usual ports") {
  const config::Config config = loaded({"app.example.com", "https://[::1]:9443", false});
  CHECK(config.sites[0].tls.mode == config::TlsMode::acme);
  REQUIRE(config.server.http.size() == 1);
  CHECK(config.server.http[0].port == 80);
  CHECK(config.server.https[0].port == 443);
  CHECK(config.backends[0].servers[0].scheme == config::BackendServer::Scheme::https);
}

TEST_CASE("proxy --internal takes the internal CA for any name") {
  const config::Config config = loaded({"app.example.com:8443", "localhost:3000", true});
  CHECK(config.sites[0].tls.mode == config::TlsMode::internal);
  CHECK(config.server.https[0].port == 8443);
}

TEST_CASE("proxy refuses what it cannot mean") {
  CHECK_FALSE(proxy_config({"", "ftp://localhost", false}).has_value());
  CHECK_FALSE(proxy_config({"", "http://localhost/path", false}).has_value());
  CHECK_FALSE(proxy_config({"no host", "http://localhost", false}).has_value());
  CHECK_FALSE(proxy_config({"a\"]\n", "http://localhost", false}).has_value());
}

}  // namespace config_file_test
