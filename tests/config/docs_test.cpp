#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "bench.hpp"
#include "config/access_fields.hpp"

namespace gatehouse::config::docs_test {
namespace {

namespace fs = std::filesystem;
const fs::path source = SOURCE_DIRECTORY;

std::string content(const fs::path& path) {
  std::ifstream in(path);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all(1);
  for (const char c : text) {
    if (c == '\n') {
      all.emplace_back();
    } else {
      all.back() += c;
    }
  }
  return all;
}

/// "server.timeouts.idle" for a row `idle` below the heading `[server.timeouts]`.
std::set<std::string> documented(const std::string& text) {
  std::set<std::string> keys;
  std::string table;
  for (const std::string& line : lines(text)) {
    if (line.starts_with("## `[")) {
      table = line.substr(line.find_first_not_of("# `["));
      table.resize(table.find(']'));
      const std::size_t name = table.find(".NAME");
      if (name != std::string::npos) table.replace(name, 5, ".*");
      table = table == "top level" ? "" : table + ".";
    } else if (line.starts_with("## ")) {
      table = "-";
    } else if (line.starts_with("| `")) {
      keys.insert(table + line.substr(3, line.find('`', 3) - 3));
    }
  }
  return keys;
}

/// Where the reference tells a key: those of [acme] and of [[site.route]] stand in two tables.
bool told(const std::set<std::string>& keys, const std::string& key) {
  if (keys.contains(key)) return true;
  if (key.starts_with("site.tls.")) return keys.contains("acme." + key.substr(9));
  return key.starts_with("site.") && keys.contains("site.route." + key.substr(5));
}

TEST_CASE("the reference tells every key and no other") {
  const auto keys = documented(content(source / "docs/config.md"));
  const auto known = known_keys();
  for (const std::string& key : known) {
    CAPTURE(key);
    CHECK(told(keys, key));
  }
  for (const std::string& key : keys) {
    CAPTURE(key);
    CHECK(std::find(known.begin(), known.end(), key) != known.end());
  }
}

TEST_CASE("the reference names the built-in CAs, and each is accepted") {
  std::string row;
  for (const std::string& line : lines(content(source / "docs/config.md"))) {
    if (line.starts_with("| `ca` |")) row = line.substr(line.find("tried in order:"));
  }
  row.resize(row.find("or the NAME"));
  int names = 0;
  for (std::size_t at = 0; (at = row.find('`', at)) != std::string::npos; ++names) {
    const std::size_t end = row.find('`', at + 1);
    const std::string name = row.substr(at + 1, end - at - 1);
    CAPTURE(name);
    CHECK(problems("[acme]\nca = \"" + name + "\"\n[acme.issuer." + name +
                   "]\neab = { key_id = \"k\", hmac_key = \"c2VjcmV0\" }\n")
              .empty());
    at = end + 1;
  }
  CHECK(names == 6);
}

TEST_CASE("the fields of the access log are listed") {
  const std::string text = content(source / "docs/operations.md");
  const std::size_t begin = text.find("## Access log");
  REQUIRE(begin != std::string::npos);
  std::string words = text.substr(begin, text.find("\n## ", begin) - begin);
  for (char& c : words) {
    if (c == '\n' || c == '`') c = ' ';
  }
  for (const std::string_view name : access_field_names) {
    CAPTURE(std::string(name));
    CHECK(words.find(" " + std::string(name) + " ") != std::string::npos);
  }
}

TEST_CASE("every example in the reference loads") {
  std::string example;
  bool inside = false;
  int examples = 0;
  for (const std::string& line : lines(content(source / "docs/config.md"))) {
    if (line == "```toml") {
      inside = true;
      example.clear();
    } else if (inside && line == "```") {
      inside = false;
      ++examples;
      CAPTURE(example);
      CHECK(problems(example, {}, Features::this_version).empty());
    } else if (inside) {
      example += line + "\n";
    }
  }
  CHECK(examples >= 4);
}

TEST_CASE("every file in examples/ loads, and prints to a file that loads") {
  Machine machine;
  machine.environment["PEBBLE_ROOTS"] = "/pebble.pem";
  machine.files = {{"/pebble.pem", "x"},
                   {"/etc/gatehouse/staff-ca.pem", "x"},
                   {"/etc/gatehouse/staff-crl.pem", "x"},
                   {"/etc/ssl/example.com/fullchain.pem", "x"},
                   {"/etc/ssl/example.com/privkey.pem", "x"}};
  int examples = 0;
  for (const auto& entry : fs::directory_iterator(source / "examples")) {
    if (entry.path().extension() != ".toml") continue;
    ++examples;
    CAPTURE(entry.path().string());
    const auto told = problems(content(entry.path()), machine, Features::this_version);
    CHECK(told == Strings{});
    if (!told.empty()) continue;
    const auto text = print(config_of(content(entry.path()), machine, Features::this_version));
    std::string filled = text;  // with something where secrets stood
    const std::string_view hidden = "<redacted>";
    for (auto at = filled.find(hidden); at != std::string::npos; at = filled.find(hidden)) {
      filled.replace(at, hidden.size(),
                     "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e");
    }
    CHECK(print(config_of(filled, machine, Features::this_version)) == text);
  }
  CHECK(examples >= 6);
}

}  // namespace
}  // namespace gatehouse::config::docs_test
