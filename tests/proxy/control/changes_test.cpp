#include "proxy/control/changes.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "config/load.hpp"

namespace changes_test {

using namespace gatehouse;
using control::Changes;

namespace {

config::Config load(const std::string& text) {
  config::Loaded loaded = config::load_text(text, "test.toml", config::Surroundings::system());
  for (const config::Problem& problem : loaded.problems) FAIL_CHECK(problem.text());
  REQUIRE(loaded.config.has_value());
  return *std::move(loaded.config);
}

const std::string base = R"(
[server]
http = ["127.0.0.1:8080"]
https = []
data_dir = "/tmp/a"

[[site]]
hosts = ["a.example"]
respond = { body = "a" }
)";

std::string with(const std::string& before, const std::string& after) {
  std::string text = base;
  text.replace(text.find(before), before.size(), after);
  return text;
}

bool tells(const std::vector<std::string>& lines, const std::string& line) {
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

}  // namespace

TEST_CASE("an unchanged config changes nothing") {
  const Changes changes = control::compare(load(base), load(base));
  CHECK(changes.applied.empty());
  CHECK(changes.needs_restart.empty());
}

TEST_CASE("sites that come, go and change are told by their first host") {
  const std::string b = "\n[[site]]\nhosts = [\"b.example\"]\nrespond = { body = \"b\" }\n";
  const Changes added = control::compare(load(base), load(base + b));
  CHECK(added.applied == std::vector<std::string>{"site b.example added"});
  const Changes removed = control::compare(load(base + b), load(base));
  CHECK(removed.applied == std::vector<std::string>{"site b.example removed"});
  const Changes changed = control::compare(load(base), load(with("body = \"a\"", "body = \"c\"")));
  CHECK(changed.applied == std::vector<std::string>{"site a.example changed"});
}

TEST_CASE("listeners that come and go are told by their address") {
  const Changes changes =
      control::compare(load(base), load(with("127.0.0.1:8080", "127.0.0.1:8081")));
  CHECK(tells(changes.applied, "listener 127.0.0.1:8081 added"));
  CHECK(tells(changes.applied, "listener 127.0.0.1:8080 removed"));
}

TEST_CASE("what a running process keeps is said to need a restart, and not said to be applied") {
  const Changes changes = control::compare(load(base), load(with("/tmp/a", "/tmp/b")));
  CHECK(changes.needs_restart == std::vector<std::string>{"server.data_dir"});
  CHECK(changes.applied.empty());
  const Changes workers =
      control::compare(load(base), load(with("[server]", "[server]\nworkers = 3")));
  CHECK(workers.needs_restart == std::vector<std::string>{"server.workers"});
}

TEST_CASE("settings of the log are applied") {
  const Changes changes = control::compare(load(base), load(base + "[log]\nlevel = \"debug\"\n"));
  CHECK(changes.applied == std::vector<std::string>{"[log] changed"});
}

TEST_CASE("a site that only moved in its file is the same site") {
  const Changes changes = control::compare(load(base), load("\n\n" + base));
  CHECK(changes.applied.empty());
}

TEST_CASE("what is never printed is compared, too") {
  const auto issuer = [](const std::string& key) {
    return base +
           "[acme.issuer.own]\ndirectory = \"https://ca.example/\"\neab = { key_id = \"k\", " +
           "hmac_key = \"" + key + "\" }\n";
  };
  const Changes acme = control::compare(load(issuer("aaaaaaaaaaaaaaaaaaaaaaaa")),
                                        load(issuer("bbbbbbbbbbbbbbbbbbbbbbbb")));
  CHECK(acme.applied == std::vector<std::string>{"[acme] changed"});
}

}  // namespace changes_test
