#include "proxy/serve/snapshot.hpp"

#include <doctest/doctest.h>

#include "tests/proxy/serve/bench.hpp"

namespace snapshot_test {

using namespace gatehouse;
using namespace gatehouse::serve::test;
using config::TlsMode;
using serve::Snapshot;

namespace {

std::string found(const serve::Site* site) { return site ? site->name : "none"; }

std::vector<std::string> addresses(const Snapshot& snapshot) {
  std::vector<std::string> all;
  for (const auto& endpoint : snapshot.endpoints()) all.push_back(endpoint.listen.text);
  return all;
}

}  // namespace

TEST_CASE("a host finds its site by the exact name, then by the wildcard one label up, then by *") {
  const auto snapshot = snapshot_of(
      config_with({site_for({"a.example", "www.a.example"}, TlsMode::files, {responding("")}),
                   site_for({"*.a.example"}, TlsMode::files, {responding("")}),
                   site_for({"*"}, TlsMode::files, {responding("")}),
                   site_for({"192.0.2.1"}, TlsMode::files, {responding("")})}));
  CHECK(found(snapshot->site("a.example")) == "a.example");
  CHECK(found(snapshot->site("www.a.example")) == "a.example");
  CHECK(found(snapshot->site("shop.a.example")) == "*.a.example");
  CHECK(found(snapshot->site("x.shop.a.example")) == "*");
  CHECK(found(snapshot->site("b.example")) == "*");
  CHECK(found(snapshot->site("192.0.2.1")) == "192.0.2.1");
  CHECK(found(snapshot->site("localhost")) == "*");
}

TEST_CASE("without a site for every name an unknown host finds none") {
  const auto snapshot = snapshot_of(
      config_with({site_for({"a.example", "*.b.example"}, TlsMode::files, {responding("")})}));
  CHECK(snapshot->site("c.example") == nullptr);
  CHECK(snapshot->site("b.example") == nullptr);
  CHECK(snapshot->site("example") == nullptr);
  CHECK(snapshot->site("") == nullptr);
}

TEST_CASE("each listener knows only the sites that are served there") {
  auto own = site_for({"own.example"}, TlsMode::files, {responding("")});
  own.http = std::vector<config::Listen>{};
  own.https = std::vector<config::Listen>{listen_on("own")};
  auto off = site_for({"off.example"}, TlsMode::off, {responding("")});
  const auto snapshot = snapshot_of(
      config_with({site_for({"a.example"}, TlsMode::files, {responding("")}), own, off}));
  CHECK(addresses(*snapshot) == std::vector<std::string>{"plain", "tls", "own"});
  const auto* plain = snapshot->endpoint("plain");
  const auto* tls = snapshot->endpoint("tls");
  const auto* mine = snapshot->endpoint("own");
  REQUIRE((plain && tls && mine));
  CHECK_FALSE(plain->tls);
  CHECK(tls->tls);
  CHECK(found(plain->sites.find("a.example")) == "a.example");
  CHECK(found(plain->sites.find("off.example")) == "off.example");
  CHECK(plain->sites.find("own.example") == nullptr);
  CHECK(found(tls->sites.find("a.example")) == "a.example");
  CHECK(tls->sites.find("off.example") == nullptr);
  CHECK(found(mine->sites.find("own.example")) == "own.example");
  CHECK(mine->sites.find("a.example") == nullptr);
  CHECK(snapshot->endpoint("elsewhere") == nullptr);
}

TEST_CASE("no listener is opened for nothing, but challenges get theirs") {
  auto off = site_for({"off.example"}, TlsMode::off, {responding("")});
  off.http = std::vector<config::Listen>{listen_on("own")};
  CHECK(addresses(*snapshot_of(config_with({off}))) == std::vector<std::string>{"own"});
  auto acme = site_for({"a.example"}, TlsMode::acme, {responding("")});
  acme.http = std::vector<config::Listen>{};
  CHECK(addresses(*snapshot_of(config_with({acme}))) == std::vector<std::string>{"tls", "plain"});
}

TEST_CASE("sites with the same TLS settings share one policy, others do not") {
  auto strict = site_for({"c.example"}, TlsMode::files, {responding("")});
  strict.tls.min_version = "1.3";
  const auto snapshot =
      snapshot_of(config_with({site_for({"a.example"}, TlsMode::files, {responding("")}),
                               site_for({"b.example"}, TlsMode::files, {responding("")}), strict,
                               site_for({"d.example"}, TlsMode::off, {responding("")})}));
  CHECK(snapshot->site("a.example")->policy == snapshot->site("b.example")->policy);
  CHECK(snapshot->site("a.example")->policy->id() != snapshot->site("c.example")->policy->id());
  CHECK(snapshot->site("d.example")->policy == nullptr);
}

TEST_CASE("a policy keeps its id over a reload that does not change its settings") {
  const auto make = [] {
    return snapshot_of(config_with({site_for({"a.example"}, TlsMode::files, {responding("")})}));
  };
  CHECK(make()->site("a.example")->policy->id() == make()->site("a.example")->policy->id());
}

TEST_CASE("a snapshot that cannot be built says which site is to blame") {
  const auto refused = [](config::Config config) {
    SystemEntropy entropy;
    const auto tickets =
        std::make_shared<tls::TicketKeys>(entropy, std::chrono::system_clock::now());
    auto built =
        Snapshot::build(std::make_shared<const config::Config>(std::move(config)), tickets);
    return built ? std::string() : built.error().detail();
  };
  auto bad_ciphers = site_for({"a.example"}, TlsMode::files, {responding("")});
  bad_ciphers.tls.ciphers = "NO-SUCH-CIPHER";
  CHECK(refused(config_with({bad_ciphers})).find("a.example") != std::string::npos);
  const auto twice = site_for({"b.example"}, TlsMode::files, {responding("")});
  CHECK(refused(config_with({twice, twice})).find("'b.example'") != std::string::npos);
  auto both = config_with({site_for({"c.example"}, TlsMode::files, {responding("")})});
  both.server.http = both.server.https;
  CHECK(refused(both).find("with and without TLS") != std::string::npos);
}

TEST_CASE("trusted proxies are blocks, addresses, or all private ones") {
  auto config = config_with({site_for({"a.example"}, TlsMode::off, {responding("")})});
  config.server.trusted_proxies = {"private", "198.51.100.0/24", "2001:db8::1"};
  const auto snapshot = snapshot_of(config);
  const auto trusts = [&](const char* text) {
    return snapshot->trusts(asio::ip::make_address(text));
  };
  CHECK(trusts("10.1.2.3"));
  CHECK(trusts("::ffff:10.1.2.3"));
  CHECK(trusts("127.0.0.1"));
  CHECK(trusts("198.51.100.77"));
  CHECK(trusts("2001:db8::1"));
  CHECK_FALSE(trusts("198.51.101.1"));
  CHECK_FALSE(trusts("2001:db8::2"));
}

}  // namespace snapshot_test
