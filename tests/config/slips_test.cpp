#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "bench.hpp"
#include "tests/support/temporary_folder.hpp"

namespace gatehouse::config::slips_test {
namespace {

TEST_CASE("text that is no TOML is told with its place") {
  const auto told = problems("[server\n");
  REQUIRE(told.size() == 1);
  CHECK(told[0].starts_with("g.toml:1:8: not valid TOML: in table header: "));
}

TEST_CASE("common slips in TOML are told with the way out") {
  const std::vector<std::pair<std::string, std::string>> slips = {
      {"[[site]]\nhosts = [\"b\xfc"
       "cher.example\"]\n",
       "2:11: not valid TOML: this is not UTF-8: save the file as UTF-8"},
      {std::string("\xff\xfe[\0[\0", 6),
       "1:1: not valid TOML: this is UTF-16: save the file as UTF-8"},
      {"[[site]]\nhosts = a.example\n",
       "2:9: not valid TOML: no value begins like this: a string stands in quotes, like "
       "\"a.example.com\""},
      {"[[site]]\nhosts = [\"b\xc3\xbc"
       "cher]\nbackend = \"b:1\"\n",
       "2:18: not valid TOML: the string has no closing quote on its line"},
      {"site:\n",
       "1:5: not valid TOML: in key-value pair: expected '=', saw ':'; a line is KEY = VALUE, "
       "[TABLE] or [[LIST]]"},
      {"[server]\nworkers = 1\n[server]\n",
       "3:1: not valid TOML: [server] stands here for the second time: put its keys together"},
      {"[server]\nworkers = 1\nworkers = 2\n",
       "3:11: not valid TOML: 'workers' is written twice in this table"},
      {"[site]\nhosts = \"a.example\"\n[[site]]\n",
       "3:1: not valid TOML: 'site' was a table before: write [[site]] there, too"},
  };
  for (const auto& [text, told] : slips) {
    const auto& shown = text;  // clang 14 captures no structured binding
    CAPTURE(shown);
    CHECK(problems(text) == Strings{"g.toml:" + told});
  }
  // Neither a byte order mark nor the line ends of other systems are mistakes.
  CHECK(problems(std::string("\xef\xbb\xbf") + good_site).empty());
  CHECK(problems("[[site]]\r\nhosts = \"a.example\"\r\n\tbackend = \"unix:/b\"\r\n").empty());
}

TEST_CASE("slips of newcomers in keys and values are told with the way out") {
  check_rows(
      {
          {"key of another table",
           "[server]\nemail_ = 1\nmetrics = \"\"\n",
           {"g.toml:2:1: unknown key 'email_' in [server]",
            "g.toml:3:1: unknown key 'metrics' in [server]; it is a key of [admin]"}},
          {"include below a table",
           "[server]\ninclude = \"x\"\n",
           {"g.toml:2:1: unknown key 'include' in [server]; it is a key of the top, above the "
            "first table"}},
          {"port out of range",
           "[server]\nhttp = \":70000\"\n[backend.b]\nservers = \"h:99999\"\n",
           {"g.toml:2:8: 'http' cannot be ':70000': a port is at most 65535",
            "g.toml:4:11: 'servers' cannot be 'h:99999': a port is at most 65535"}},
          {"string in place of a small table",
           "[[site]]\nhosts = \"a.example\"\nredirect = \"/x\"\n",
           {"g.toml:3:12: 'redirect' must be a table, not a string: write redirect = { ... }"}},
          {"URL as host",
           "[[site]]\nhosts = \"https://a.example\"\nbackend = \"unix:/b\"\n",
           {"g.toml:2:9: 'hosts' cannot be 'https://a.example': a host has no scheme and no path"}},
          {"one name in two alphabets",
           "[[site]]\nhosts = [\"b\xc3\xbc"
           "cher.example\", \"xn--bcher-kva.example\"]\nbackend = "
           "\"unix:/b\"\n",
           {"g.toml:2:28: host 'xn--bcher-kva.example' is named twice; first at g.toml:2:10"}},
          {"two units",
           "[server.timeouts]\nidle = \"1h30m\"\n",
           {"g.toml:2:8: 'idle' cannot be '1h30m': a duration is a number and ms, s, m, h or d, "
            "like \"30s\""}},
          {"empty list of hosts",
           "[[site]]\nhosts = []\nbackend = \"unix:/b\"\n",
           {"g.toml:2:9: 'hosts' must not be empty"}},
      },
      Features::whole_language);
}

TEST_CASE("a file that cannot be read is told with the reason") {
  const test::TemporaryFolder folder;
  const auto told = [](const std::string& path) {
    const Loaded loaded = load_file(path, Surroundings::system());
    REQUIRE(loaded.problems.size() == 1);
    return loaded.problems[0].text();
  };
  const std::string none = folder / "none.toml";
  CHECK(told(none) == none + ":1:1: cannot read this file: there is no such file");
  CHECK(told(folder.path()) == folder.path() + ":1:1: cannot read this file: it is a directory");
  const std::string endless = folder / "endless.toml";
  std::ofstream(endless) << "#";
  std::filesystem::resize_file(endless, std::uintmax_t{64} << 30);  // more than is ever read
  CHECK(told(endless) ==
        endless + ":1:1: this file has more than 16 MiB, the most that is read of a config");
}

TEST_CASE("what only other rooms can judge is told with its place, once for each thing") {
  Machine machine;
  machine.files = {{"/c.pem", "x"}, {"/k.pem", "x"}};
  Surroundings around = machine.around();
  int asked = 0;
  around.why_unreadable = [](const std::string&) { return "it is a directory"; };
  around.wrong_folder = [](const std::string& path) {
    return path == "/srv/www" ? "" : "there is no such folder";
  };
  around.wrong_ciphers = [](const std::string& list) {
    return list == "GOOD" ? "" : "names '" + list + "'";
  };
  around.wrong_user = [](const std::string& name) { return "names '" + name + "'"; };
  around.wrong_pair = [&asked](const std::string&, const std::string& key) {
    ++asked;
    return key == "/k.pem" ? WrongPair{"key", "/k.pem: no key"} : WrongPair{};
  };
  const std::string pair = "tls = { mode = \"files\", cert = \"/c.pem\", key = \"/k.pem\" }\n";
  const std::string site = "backend = \"unix:/b\"\n";
  const Loaded bad = load_text("[server]\nuser = \"www\"\n[[site]]\nhosts = \"a.example\"\n" +
                                   site + pair + "[[site]]\nhosts = \"b.example\"\n" + site + pair +
                                   "[[site]]\nhosts = \"c.example\"\n" + site +
                                   "tls.ciphers = \"FOO\"\ntls.client_auth = { mode = "
                                   "\"require\", roots = \"/r\" }\n",
                               "g.toml", around);
  Strings told;
  for (const Problem& problem : bad.problems) told.push_back(problem.text());
  CHECK(told == Strings{"g.toml:2:1: 'user' names 'www'", "g.toml:6:42: 'key': /k.pem: no key",
                        "g.toml:10:42: 'key': /k.pem: no key", "g.toml:14:5: 'ciphers' names 'FOO'",
                        "g.toml:15:39: 'roots': cannot read '/r': it is a directory"});
  CHECK(asked == 1);

  asked = 0;
  machine.files["/r.pem"] = machine.files["/l.pem"] = "x";
  around.readable = machine.around().readable;
  around.wrong_roots = [&asked](const std::string& path) {
    ++asked;
    return path + ": no root";
  };
  around.wrong_lists = [](const std::string& path) { return path + ": no list"; };
  const std::string trust =
      site + "tls.client_auth = { mode = \"require\", roots = \"/r.pem\", crl = \"/l.pem\" }\n";
  const Loaded trusting =
      load_text("[acme.issuer.own]\ndirectory = \"https://ca/\"\n" +
                    std::string("roots = \"/r.pem\"\n") + "[backend.b]\nservers = \"https://b\"\n" +
                    "tls.roots = \"/r.pem\"\n[[site]]\nhosts = \"a.example\"\n" + trust +
                    "[[site]]\nhosts = \"b.example\"\n" + trust,
                "g.toml", around);
  told.clear();
  for (const Problem& problem : trusting.problems) told.push_back(problem.text());
  CHECK(told ==
        Strings{"g.toml:3:1: 'roots': /r.pem: no root", "g.toml:6:5: 'roots': /r.pem: no root",
                "g.toml:10:39: 'roots': /r.pem: no root", "g.toml:10:57: 'crl': /l.pem: no list",
                "g.toml:14:39: 'roots': /r.pem: no root", "g.toml:14:57: 'crl': /l.pem: no list"});
  CHECK(asked == 3);  // the issuer's, the backend's, and those of both sites once

  const Loaded backend = load_text(
      "[backend.b]\nservers = \"https://b\"\ntls = { cert = \"/c.pem\", key = \"/k.pem\" }\n" +
          std::string(good_site),
      "g.toml", around);
  REQUIRE(backend.problems.size() == 1);
  CHECK(backend.problems[0].text() == "g.toml:3:26: 'key': /k.pem: no key");

  const Loaded good = load_text(
      "[[site]]\nhosts = \"a.example\"\nfiles = { root = \"/srv/wwww\" }\n"
      "tls.ciphers = \"GOOD\"\n[[site.route]]\npath = \"/x/*\"\nfiles.root = \"/srv/www\"\n"
      "[[site.route]]\n",
      "g.toml", around);
  CHECK(good.problems.empty());
  REQUIRE(good.warnings.size() == 1);
  CHECK(good.warnings[0].text() == "g.toml:3:11: 'root': '/srv/wwww': there is no such folder");
}

TEST_CASE("a config that serves nothing is told as a warning") {
  CHECK(warnings("[server]\nworkers = 1\n") ==
        Strings{"g.toml:1:1: there is no [[site]], so nothing is served"});
  CHECK(warnings(good_site).empty());
}

}  // namespace
}  // namespace gatehouse::config::slips_test
