#include <doctest/doctest.h>

#include "bench.hpp"

namespace gatehouse::config::load_test {
namespace {

const std::string smallest = R"([[site]]
hosts = ["app.example.com"]
backend = "localhost:3000"
)";

TEST_CASE("the smallest useful file means a certificate, a redirect and a backend") {
  const Config config = config_of(smallest, {}, Features::this_version);
  CHECK(config.server.http.at(0).text == ":80");
  CHECK(config.server.http.at(0).port == 80);
  CHECK(config.server.https.at(0).text == ":443");
  REQUIRE(config.sites.size() == 1);
  const Site& site = config.sites[0];
  CHECK(site.hosts == Strings{"app.example.com"});
  CHECK(site.tls.mode == TlsMode::acme);
  CHECK(site.redirect_http);
  CHECK(site.at.line == 1);
  REQUIRE(site.routes.size() == 1);
  CHECK(site.routes[0].backend == "app.example.com#1");
  REQUIRE(config.backends.size() == 1);
  CHECK(config.backends[0].name == "app.example.com#1");
  REQUIRE(config.backends[0].servers.size() == 1);
  CHECK(config.backends[0].servers[0].host == "localhost");
  CHECK(config.backends[0].servers[0].port == 3000);
  CHECK(config.backends[0].servers[0].at.line == 3);
}

TEST_CASE("what this version prints of lean records is what it does") {
  const Config config = config_of(smallest, {}, Features::this_version);
  CHECK(config.server.lean_records);
  CHECK(print(config).find("\nlean_records = true\n") != std::string::npos);
}

TEST_CASE("HTTP/2 is offered where nothing is written, and nowhere once the server speaks it not") {
  const auto config = config_of(smallest, {}, Features::this_version);
  CHECK(config.sites[0].tls.alpn == Strings{"h2", "http/1.1"});
  CHECK(config.server.protocols == Strings{"h1", "h2"});
  const std::string h1_only = "[server]\nprotocols = [\"h1\"]\n" + smallest;
  CHECK(config_of(h1_only).sites[0].tls.alpn == Strings{"http/1.1"});
}

TEST_CASE("the data directory is the system's for root and the user's own otherwise") {
  Machine machine;
  CHECK(config_of(smallest, machine).server.data_dir == "/home/u/.local/share/gatehouse");
  machine.environment["XDG_DATA_HOME"] = "/data";
  CHECK(config_of(smallest, machine).server.data_dir == "/data/gatehouse");
  machine.root = true;
  CHECK(config_of(smallest, machine).server.data_dir == "/var/lib/gatehouse");
  CHECK(config_of("[server]\ndata_dir = \"/x\"\n" + smallest, machine).server.data_dir == "/x");
}

TEST_CASE("sites choose their TLS mode by their hosts") {
  const auto mode = [](const std::string& host, const std::string& more = "") {
    return config_of("[[site]]\nhosts = \"" + host + "\"\nbackend = \"unix:/b\"\n" + more)
        .sites[0]
        .tls.mode;
  };
  CHECK(mode("a.example") == TlsMode::acme);
  CHECK(mode("203.0.114.7") == TlsMode::acme);
  CHECK(mode("localhost") == TlsMode::internal);
  CHECK(mode("*.localhost") == TlsMode::internal);
  CHECK(mode("nas") == TlsMode::internal);
  CHECK(mode("db.internal") == TlsMode::internal);
  CHECK(mode("tv.home.arpa") == TlsMode::internal);
  CHECK(mode("a.example", "https = []\n") == TlsMode::off);
  CHECK(mode("a.example", "tls.mode = \"internal\"\n") == TlsMode::internal);
}

TEST_CASE("what is printed loads again to the same config") {
  const Config config = config_of(smallest, {}, Features::this_version);
  const std::string text = print(config);
  CAPTURE(text);
  CHECK(print(config_of(text, {}, Features::this_version)) == text);
}

TEST_CASE("a file that others will read is looked for, not read") {
  Machine machine;
  machine.files = {{"/c.pem", ""}, {"/k.pem", ""}};
  Surroundings around = machine.around();
  int reads = 0;
  around.read_file = [&](const std::string&) -> std::optional<std::string> {
    ++reads;
    return {};
  };
  const std::string site =
      "[[site]]\nhosts = \"a.example\"\nbackend = \"unix:/b\"\n"
      "tls = { mode = \"files\", cert = \"/c.pem\", key = \"/k.pem\" }\n";
  CHECK(load_text(site, "g.toml", around).problems.empty());
  CHECK(reads == 0);
}

}  // namespace
}  // namespace gatehouse::config::load_test
