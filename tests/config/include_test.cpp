#include <doctest/doctest.h>

#include "bench.hpp"

namespace gatehouse::config::include_test {
namespace {

const std::string site_b = "[[site]]\nhosts = \"b.example\"\nbackend = \"pool\"\n";

TEST_CASE("included files bring sites and backends, in the order of their names") {
  Machine machine;
  machine.files["sites.d/2.toml"] = "[backend.pool]\nservers = \"h:1\"\n";
  machine.files["sites.d/1.toml"] = site_b;
  const Config config = config_of(
      "include = \"sites.d/*.toml\"\n[[site]]\nhosts = \"a.example\"\nbackend = \"pool\"\n",
      machine);
  REQUIRE(config.sites.size() == 2);
  CHECK(config.sites[0].hosts == Strings{"a.example"});
  CHECK(config.sites[1].hosts == Strings{"b.example"});
  CHECK(config.sites[1].at.file.text() == "sites.d/1.toml");
  CHECK(config.sites[1].routes.at(0).backend == "pool");
}

TEST_CASE("a missing literal include is an error, a pattern without a match a warning") {
  CHECK(problems("include = [\"a.toml\"]\n") ==
        Strings{"g.toml:1:12: cannot read the included file 'a.toml'"});
  CHECK(problems("include = [\"d/*.toml\"]\n").empty());
  CHECK(warnings(std::string("include = [\"d/*.toml\"]\n") + good_site) ==
        Strings{"g.toml:1:12: include 'd/*.toml' matches no file"});
  Machine machine;
  machine.files["d/1.toml"] = "include = \"e/*.toml\"\n" + site_b;
  machine.files["p.toml"] = "[backend.pool]\nservers = \"h:1\"\n";
  CHECK(warnings("include = [\"d/*.toml\", \"p.toml\"]\n", machine) ==
        Strings{"d/1.toml:1:11: include 'e/*.toml' matches no file"});
}

TEST_CASE("a file past 16 MiB is refused wherever it is named") {
  Machine machine;
  const std::string most(std::size_t{16} << 20, '\n');
  machine.files["most.toml"] = most;
  machine.files["more.toml"] = most + "\n";
  CHECK(problems("include = \"most.toml\"\n", machine).empty());
  CHECK(problems("include = \"more.toml\"\n", machine) ==
        Strings{"g.toml:1:11: the included file 'more.toml' has more than 16 MiB, the most that is "
                "read of a config"});
  CHECK(problems("[acme]\nemail = \"${file:more.toml}\"\n", machine) ==
        Strings{"g.toml:2:9: 'more.toml' for ${file:more.toml} has more than 16 MiB, the most that "
                "is read of a config"});
  CHECK(problems(most).empty());
  CHECK(problems(most + "\n") ==
        Strings{"g.toml:1:1: this file has more than 16 MiB, the most that is read of a config"});
}

TEST_CASE("an include that comes back to itself is told") {
  Machine machine;
  machine.files["d/a.toml"] = "include = \"b.toml\"\n";
  machine.files["d/b.toml"] = "include = \"../d/a.toml\"\n";
  CHECK(problems("include = \"d/a.toml\"\n", machine) ==
        Strings{"d/b.toml:1:11: 'd/../d/a.toml' includes itself, by way of this line"});
}

TEST_CASE("an included file holds sites, backends and certificates only") {
  Machine machine;
  machine.files["a.toml"] = "[server]\nworkers = 1\n";
  CHECK(problems("include = \"a.toml\"\n", machine) ==
        Strings{"a.toml:1:2: 'server' stands only in the main file; an included file holds "
                "[[site]], [backend.NAME] and [[certificate]]"});
}

TEST_CASE("problems of the main file and of its includes come in one run") {
  Machine machine;
  machine.files["a.toml"] = "[[site]]\nhots = \"x\"\nhosts = \"a.example\"\nbackend = \"u:1\"\n";
  machine.files["b.toml"] = "[backend.p]\nservers = \"h:1\"\n";
  CHECK(problems("include = [\"a.toml\", \"b.toml\"]\n[backend.p]\nservers = \"h:1\"\n"
                 "[[site]]\nhosts = \"a.example\"\nbackend = \"h:1\"\n",
                 machine) ==
        Strings{"a.toml:2:1: unknown key 'hots' in [[site]]; did you mean 'hosts'?",
                "a.toml:3:1: host 'a.example' is named twice; first at g.toml:5:1",
                "b.toml:1:10: [backend.p] is also defined at g.toml:2"});
}

TEST_CASE("included backends are not read where the main file's are no tables") {
  Machine machine;
  machine.files["a.toml"] = "[backend.p]\npolicy = \"first\"\n";
  CHECK(problems("include = \"a.toml\"\nbackend = \"h:1\"\n", machine) ==
        Strings{"g.toml:2:1: 'backend' must be tables with names: write [backend.NAME]"});
}

TEST_CASE("strings take variables, defaults and files") {
  Machine machine;
  machine.environment = {{"HOST", "a.example"}, {"EMPTY", ""}};
  machine.files["/run/mail"] = "ops@example.com\n";
  const Config config = config_of(
      "[acme]\nemail = \"${file:/run/mail}\"\nprofile = \"$${x} ${EMPTY:-p}${NONE:-q}\"\n"
      "[[site]]\nhosts = [\"${HOST}\", \"www.${HOST}\"]\nbackend = \"h:1\"\n",
      machine);
  CHECK(config.acme.settings.email == "ops@example.com");
  CHECK(config.acme.settings.profile == "${x} pq");
  CHECK(config.sites.at(0).hosts == Strings{"a.example", "www.a.example"});
  CHECK(print(config).find("profile = \"$${x} pq\"") != std::string::npos);
}

TEST_CASE("an unset variable, an unreadable file and an open brace are told at their string") {
  CHECK(problems("[acme]\nemail = \"${NONE}\"\nprofile = \"${file:/no}\"\n"
                 "preferred_chain = \"${x\"\n[log]\naudit = \"${}\"\n") ==
        Strings{"g.toml:2:9: environment variable 'NONE' is not set; ${NONE:-default} gives a "
                "default",
                "g.toml:3:11: cannot read '/no' for ${file:/no}",
                "g.toml:4:19: '${' without its '}'; a literal '${' is written '$${'",
                "g.toml:6:9: '${}' names no variable; a literal '${' is written '$${'"});
}

}  // namespace
}  // namespace gatehouse::config::include_test
