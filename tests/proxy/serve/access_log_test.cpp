#include "proxy/serve/access_log.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "core/base/time_format.hpp"
#include "proxy/serve/snapshot.hpp"
#include "tests/support/access_lines.hpp"
#include "tests/support/result.hpp"
#include "tests/support/temporary_folder.hpp"

namespace access_log_test {

using namespace gatehouse;
using namespace std::chrono_literals;
using nlohmann::json;
using serve::AccessFormat;
using serve::AccessLog;
using serve::AccessRing;

namespace {

/// A finished exchange with something in every field.
struct Sample {
  Sample() {
    site.hosts = {"a.example"};
    site.routes.resize(1);
    site.routes[0].path = {"/api/*"};
    compiled = std::make_unique<serve::Site>(site, 0);
    request.method = "GET";
    request.host = "a.example";
    request.path = "/api/x";
    request.query = "q=1";
    request.has_query = true;
    session.version = "TLSv1.3";
    session.cipher = "TLS_AES_128_GCM_SHA256";
    session.sni = "a.example";
    session.alpn = "http/1.1";
    facts.tls = &session;
    facts.peer = asio::ip::make_address("10.0.0.1");
    facts.client_ip = asio::ip::make_address("192.0.2.7");
    facts.id = "00112233445566778899aabbccddeeff";
    facts.began_wall = parse_rfc3339("2026-11-21T01:40:00.123456Z").value();
    facts.site = compiled.get();
    facts.route = &compiled->routes.front();
    facts.status = 200;
    facts.bytes_in = 3;
    facts.bytes_out = 1234;
    facts.backend = "app";
    facts.server = "10.0.0.7:8080";
    facts.attempts = 2;
    facts.reused = true;
    facts.backend_time = 1500us;
    facts.user_agent = "curl/8.0";
    facts.referer = "https://b.example/";
  }

  std::string line(const config::Log& log = {}) const {
    serve::LineText out;
    AccessFormat(log).write(out, request, facts, facts.began + 250ms, "key");
    return std::string(out.view());
  }
  json parsed(const config::Log& log = {}) const { return json::parse(line(log)); }

  config::Site site;
  std::unique_ptr<serve::Site> compiled;
  http::RequestHead request;
  tls::SessionFacts session;
  serve::RequestFacts facts;
};

std::string content(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream all;
  all << file.rdbuf();
  return all.str();
}

}  // namespace

TEST_CASE("a JSON line tells everything about an exchange under its documented names") {
  const json line = Sample().parsed();
  CHECK(line["ts"] == "2026-11-21T01:40:00.123456Z");
  CHECK(line["id"] == "00112233445566778899aabbccddeeff");
  CHECK(line["client_ip"] == "192.0.2.7");
  CHECK(line["peer"] == "10.0.0.1");
  CHECK(line["method"] == "GET");
  CHECK(line["scheme"] == "https");
  CHECK(line["host"] == "a.example");
  CHECK(line["path"] == "/api/x");
  CHECK(line["query"] == "q=1");
  CHECK(line["proto"] == "HTTP/1.1");
  CHECK(line["status"] == 200);
  CHECK(line["bytes_in"] == 3);
  CHECK(line["bytes_out"] == 1234);
  CHECK(line["seconds"] == 0.25);
  CHECK(line["tls"]["version"] == "TLSv1.3");
  CHECK(line["tls"]["cipher"] == "TLS_AES_128_GCM_SHA256");
  CHECK(line["tls"]["sni"] == "a.example");
  CHECK(line["tls"]["alpn"] == "http/1.1");
  CHECK(line["tls"]["resumed"] == false);
  CHECK(line["tls"]["client_subject"] == "");
  CHECK(line["site"] == "a.example");
  CHECK(line["route"] == "/api/*");
  CHECK(line["backend"]["name"] == "app");
  CHECK(line["backend"]["server"] == "10.0.0.7:8080");
  CHECK(line["backend"]["seconds"] == 0.0015);
  CHECK(line["backend"]["attempts"] == 2);
  CHECK(line["backend"]["reused"] == true);
  CHECK(line["user_agent"] == "curl/8.0");
  CHECK(line["referer"] == "https://b.example/");
  CHECK(line["error"] == "");
}

TEST_CASE("a plain exchange that was not forwarded has null where there is nothing") {
  Sample sample;
  sample.facts.tls = nullptr;
  sample.facts.backend = {};
  sample.facts.site = nullptr;
  sample.facts.route = nullptr;
  const json line = sample.parsed();
  CHECK(line["tls"].is_null());
  CHECK(line["backend"].is_null());
  CHECK(line["site"] == "");
  CHECK(line["scheme"] == "http");
}

TEST_CASE("whatever a client sends, a line is one valid JSON object") {
  Sample sample;
  std::string every;
  for (int octet = 0; octet < 256; ++octet) every += static_cast<char>(octet);
  const std::string vile[] = {
      every,
      "\"},{\"status\":500,\"x\":\"",
      "a\nb\r\nc",
      "\\",
      "\xC3",              // a UTF-8 sequence cut short
      "\xED\xA0\x80",      // a surrogate
      "\xF4\x90\x80\x80",  // past the last code point
      std::string(10'000, '"'),
      std::string(10'000, '\xFF'),
  };
  for (const std::string& value : vile) {
    sample.facts.user_agent = value;
    sample.facts.referer = value;
    sample.facts.error = value;
    sample.facts.id = value;
    sample.request.path = value;
    sample.request.query = value;
    sample.request.method = value;
    sample.session.sni = value;
    const std::string line = sample.line();
    CHECK(line.ends_with("}\n"));
    CHECK(line.find('\n') == line.size() - 1);
    CHECK(json::accept(line));
    CHECK(json::parse(line)["status"] == 200);
  }
}

TEST_CASE("whatever needs escaping is found, wherever it stands") {
  Sample sample;
  for (const char harm : {'"', '\\', '\n', '\x1F', '\x7F', '\xC3'}) {
    for (std::size_t size = 1; size <= 20; ++size) {
      for (std::size_t at = 0; at < size; ++at) {
        std::string value(size, 'a');
        value[at] = harm;
        if (at + 1 < size) value[at + 1] = '!';  // one above, which a borrow would reach
        sample.facts.user_agent = value;
        const json line = json::parse(sample.line());
        const auto seen = line["user_agent"].get<std::string>();
        CHECK(seen.substr(0, at) == value.substr(0, at));
        CHECK(seen.substr(seen.size() - (size - at - 1)) == value.substr(at + 1));
        if (harm == '"' || harm == '\\' || harm == '\n') CHECK(seen == value);
      }
    }
  }
}

TEST_CASE("fields are left out, blanked or hashed as configured") {
  config::Log log;
  log.access_fields.drop = {"referer", "tls.sni", "backend"};
  log.access_fields.redact = {"query", "status", "tls.cipher"};
  log.access_fields.hash = {"client_ip", "tls.alpn"};
  Sample sample;
  const json line = sample.parsed(log);
  CHECK_FALSE(line.contains("referer"));
  CHECK_FALSE(line["tls"].contains("sni"));
  CHECK_FALSE(line.contains("backend"));
  CHECK(line["query"] == "<redacted>");
  CHECK(line["status"] == "<redacted>");
  CHECK(line["tls"]["cipher"] == "<redacted>");
  const std::string hashed = line["client_ip"];
  CHECK(hashed.size() == 32);
  CHECK(hashed.find_first_not_of("0123456789abcdef") == std::string::npos);
  SUBCASE("equal values have equal hashes, others do not, and the key decides") {
    CHECK(sample.parsed(log)["client_ip"] == hashed);
    serve::LineText other;
    AccessFormat(log).write(other, sample.request, sample.facts, sample.facts.began, "k2");
    CHECK(json::parse(other.view())["client_ip"] != hashed);
    sample.facts.client_ip = asio::ip::make_address("192.0.2.8");
    CHECK(sample.parsed(log)["client_ip"] != hashed);
  }
  SUBCASE("a whole object may be dropped, redacted or hashed too") {
    log.access_fields.redact = {"tls"};
    CHECK(sample.parsed(log)["tls"] == "<redacted>");
    log.access_fields.drop = {"tls"};
    CHECK_FALSE(sample.parsed(log).contains("tls"));
  }
}

TEST_CASE("a combined line is what log tools expect, with foreign octets escaped") {
  config::Log log;
  log.access_format = "combined";
  Sample sample;
  CHECK(sample.line(log) ==
        "192.0.2.7 - - [21/Nov/2026:01:40:00 +0000] \"GET /api/x?q=1 HTTP/1.1\" 200 1234 "
        "\"https://b.example/\" \"curl/8.0\"\n");
  sample.facts.user_agent = "x\" \n\xFF\\";
  sample.facts.referer = {};
  sample.request.has_query = false;
  CHECK(sample.line(log) ==
        "192.0.2.7 - - [21/Nov/2026:01:40:00 +0000] \"GET /api/x HTTP/1.1\" 200 1234 "
        "\"-\" \"x\\x22 \\x0a\\xff\\x5c\"\n");
}

TEST_CASE("a full ring drops whole lines and takes them again once there is room") {
  AccessRing ring(std::make_shared<AccessRing::Bell>(), "key", 8);
  CHECK(ring.put("12\n"));
  CHECK(ring.put("345\n"));
  CHECK_FALSE(ring.put("6\n"));
  CHECK(ring.put("\n"));  // to the last octet
  CHECK_FALSE(ring.put("\n"));
  std::string out;
  CHECK(test::take_lines(ring, out));
  CHECK(out == "12\n345\n\n");
  CHECK_FALSE(test::take_lines(ring, out));
  CHECK_FALSE(ring.put("12345678\n"));
  for (int i = 0; i < 20; ++i) {  // from the front each time
    const std::string line = std::to_string(i) + "-abc\n";
    out.clear();
    CHECK(ring.put(line));
    CHECK(test::take_lines(ring, out));
    CHECK(out == line);
  }
}

TEST_CASE("a ring that is never empty goes on over its end, wherever a line comes to stand") {
  AccessRing ring(std::make_shared<AccessRing::Bell>(), "key", 16);
  std::string put;
  std::string taken;
  const auto next = [&](int i) {
    const std::string line = std::to_string(i) + std::string(static_cast<std::size_t>(i % 5), '-');
    REQUIRE(ring.put(line + "\n"));
    put += line + "\n";
  };
  next(0);
  std::size_t in_two = 0;
  for (int i = 1; i < 200; ++i) {
    const auto lines = ring.lines();
    next(i);
    CHECK_FALSE(ring.put(std::string(16, 'x')));
    in_two += lines[1].empty() ? 0 : 1;
    taken.append(lines[0]).append(lines[1]);  // unharmed by what was put meanwhile
    ring.taken();
  }
  test::take_lines(ring, taken);
  CHECK(taken == put);
  CHECK(in_two > 10);
}

TEST_CASE("a line that no ring could hold leaves it as it was") {
  AccessRing ring(std::make_shared<AccessRing::Bell>(), "key", 8);
  std::string out;
  for (int i = 0; i < 3; ++i) {
    CHECK(ring.put("1234\n"));
    CHECK(test::take_lines(ring, out));
    CHECK_FALSE(ring.put("123456789\n"));
    CHECK_FALSE(test::take_lines(ring, out));
  }
  CHECK(out == "1234\n1234\n1234\n");
}

TEST_CASE("every line that a ring took reaches the file, in the order of its worker") {
  const test::TemporaryFolder folder;
  config::Log log;
  log.access = folder / "access.log";
  SystemEntropy entropy;
  constexpr int lines = 20'000;
  int put[2] = {0, 0};
  {
    auto access = AccessLog::open(log, 2, entropy);
    REQUIRE(access);
    const auto work = [&](std::size_t worker) {
      const auto ring = (*access)->ring(worker);
      for (int i = 0; i < lines; ++i) {
        const std::string line = std::to_string(worker) + " " + std::to_string(i) + "\n";
        put[worker] += ring->put(line) ? 1 : 0;
      }
    };
    std::thread first(work, 0);
    std::thread second(work, 1);
    first.join();
    second.join();
  }
  CHECK(put[0] >= 4096);
  int got[2] = {0, 0};
  int last[2] = {-1, -1};
  std::ifstream file(log.access);
  int worker = 0;
  int number = 0;
  while (file >> worker >> number) {
    REQUIRE((worker == 0 || worker == 1));
    CHECK(number > last[worker]);
    last[worker] = number;
    ++got[worker];
  }
  CHECK(got[0] == put[0]);
  CHECK(got[1] == put[1]);
}

TEST_CASE("after a rotation the log goes on in a new file") {
  const test::TemporaryFolder folder;
  config::Log log;
  log.access = folder / "access.log";
  SystemEntropy entropy;
  {
    auto access = AccessLog::open(log, 1, entropy);
    REQUIRE(access);
    const auto ring = (*access)->ring(0);
    ring->put("before\n");
    while (content(log.access) != "before\n") std::this_thread::yield();
    std::filesystem::rename(log.access, folder / "access.log.1");
    (*access)->reopen();
    while (!std::filesystem::exists(log.access)) std::this_thread::yield();
    ring->put("after\n");
  }
  CHECK(content(folder / "access.log.1") == "before\n");
  CHECK(content(log.access) == "after\n");
}

TEST_CASE("a log that cannot be opened is an error, and off is none at all") {
  SystemEntropy entropy;
  config::Log log;
  log.access = "/nonexistent/access.log";
  const auto failed = AccessLog::open(log, 1, entropy);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().detail().find("/nonexistent/access.log") != std::string::npos);
  log.access = "off";
  const auto off = AccessLog::open(log, 1, entropy);
  REQUIRE(off);
  CHECK(*off == nullptr);
}

}  // namespace access_log_test
