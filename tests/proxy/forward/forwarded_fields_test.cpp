#include "proxy/serve/forwarded_fields.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace forwarded_fields_test {

using namespace gatehouse;
using namespace gatehouse::serve;
using boost::asio::ip::make_address;

namespace {

http::Fields fields(std::vector<std::pair<std::string, std::string>> lines) {
  http::Fields out;
  for (const auto& [name, value] : lines) out.add_copy(name, value);
  return out;
}

std::vector<Cidr> blocks(std::vector<std::string> texts) {
  std::vector<Cidr> out;
  for (const auto& text : texts) out.push_back(Cidr::parse(text).value());
  return out;
}

std::string client_of(const http::Fields& from, std::string_view peer = "10.0.0.9") {
  const auto trusted = blocks({"10.0.0.0/8", "fd00::/8"});
  return resolve_client(from, make_address(std::string(peer)), trusted).ip.to_string();
}

Hop hop() {
  Hop out;
  out.peer = make_address("192.0.2.7");
  out.client_ip = out.peer;
  out.scheme = "https";
  out.authority = "shop.example:8443";
  out.port = 8443;
  out.request_id = "0123456789abcdef0123456789abcdef";
  return out;
}

}  // namespace

TEST_CASE("a peer without our trust is the client, whatever it says") {
  const auto lines = fields({{"X-Forwarded-For", "203.0.113.5"}});
  CHECK(client_of(lines, "192.0.2.7") == "192.0.2.7");
  const auto trusted = blocks({"10.0.0.0/8"});
  CHECK_FALSE(resolve_client(lines, make_address("192.0.2.7"), trusted).peer_trusted);
  CHECK_FALSE(resolve_client(lines, make_address("10.0.0.1"), {}).peer_trusted);
}

TEST_CASE("the client is the first address from the right that is no proxy of ours") {
  struct Row {
    const char* name;
    std::vector<std::string> lines;
    const char* client;
  };
  const std::vector<Row> rows = {
      {"one hop", {"203.0.113.5"}, "203.0.113.5"},
      {"a forged entry on the left", {"1.1.1.1, 203.0.113.5"}, "203.0.113.5"},
      {"trusted hops in between", {"1.1.1.1, 203.0.113.5, 10.1.1.1, 10.2.2.2"}, "203.0.113.5"},
      {"several lines are one list",
       {"1.1.1.1", "203.0.113.5, 10.1.1.1", "10.2.2.2"},
       "203.0.113.5"},
      {"all trusted: the leftmost", {"10.3.3.3, 10.1.1.1"}, "10.3.3.3"},
      {"with a port", {"203.0.113.5:4711"}, "203.0.113.5"},
      {"v6 in brackets with a port", {"[2001:db8::7]:4711, [fd00::1]"}, "2001:db8::7"},
      {"bare v6", {"2001:db8::7"}, "2001:db8::7"},
      {"in quotes", {"\"[2001:db8::7]:1\""}, "2001:db8::7"},
      {"a mapped address", {"::ffff:203.0.113.5"}, "203.0.113.5"},
      {"unreadable: the hop that told it", {"203.0.113.5, unknown, 10.1.1.1"}, "10.1.1.1"},
      {"an empty element", {"203.0.113.5, , 10.1.1.1"}, "10.1.1.1"},
      {"zone ids are not read", {"fe80::1%eth0"}, "10.0.0.9"},
      {"nothing told", {}, "10.0.0.9"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    http::Fields lines;
    for (const auto& line : row.lines) lines.add_copy("x-forwarded-for", line);
    CHECK(client_of(lines) == row.client);
  }
}

TEST_CASE("a list beyond twenty hops is not walked to its end") {
  std::string list = "203.0.113.5";
  for (int i = 0; i < 30; ++i) list += ", 10.0.1." + std::to_string(i);
  CHECK(client_of(fields({{"X-Forwarded-For", list}})) == "10.0.1.10");
}

TEST_CASE("a server is told who asked, how and where") {
  auto lines = fields({{"Accept", "*/*"}});
  write_forwarded(lines, hop());
  CHECK(lines.find("X-Forwarded-For") == "192.0.2.7");
  CHECK(lines.find("X-Forwarded-Proto") == "https");
  CHECK(lines.find("X-Forwarded-Host") == "shop.example:8443");
  CHECK(lines.find("X-Forwarded-Port") == "8443");
  CHECK(lines.find("X-Real-IP") == "192.0.2.7");
  CHECK(lines.find("X-Request-Id") == "0123456789abcdef0123456789abcdef");
  CHECK(lines.find("Via") == "1.1 gatehouse");
  CHECK(lines.find("Accept") == "*/*");
}

TEST_CASE("what a client without our trust says about itself never reaches a server") {
  auto lines = fields({{"X-Forwarded-For", "1.1.1.1"},
                       {"x-forwarded-proto", "https"},
                       {"X-Forwarded-User", "admin"},
                       {"Forwarded", "for=1.1.1.1"},
                       {"X-Real-IP", "1.1.1.1"},
                       {"X_Forwarded_For", "1.1.1.1"},
                       {"X-Request-Id", "mine"},
                       {"Client-Cert", ":AAAA:"},
                       {"X-Client-Cert-Subject", "CN=root"},
                       {"X-Accel-Redirect", "/etc"},
                       {"Proxy", "http://evil.example"},
                       {"Content_Length", "7"},
                       {"X-Custom", "stays"}});
  remove_spoofable(lines, false);
  CHECK(lines.size() == 1);
  CHECK(lines.find("X-Custom") == "stays");
}

TEST_CASE("a trusted proxy's list is continued and its other values kept") {
  auto lines = fields({{"X-Forwarded-For", "203.0.113.5"},
                       {"X-Forwarded-For", "10.1.1.1"},
                       {"X-Forwarded-Proto", "http"},
                       {"X-Forwarded-Host", "outer.example"},
                       {"X-Forwarded-Port", "80"},
                       {"X-Request-Id", "outer-id"},
                       {"X-Real-IP", "6.6.6.6"},
                       {"X_Forwarded_For", "6.6.6.6"},
                       {"Forwarded", "for=203.0.113.5"},
                       {"Via", "1.1 edge"}});
  Hop at = hop();
  at.peer = make_address("2001:db8::9");
  at.client_ip = make_address("203.0.113.5");
  at.peer_trusted = true;
  at.version = http::Version::http10;
  remove_spoofable(lines, true);
  write_forwarded(lines, at);
  CHECK(lines.count("X-Forwarded-For") == 1);
  CHECK(lines.find("X-Forwarded-For") == "203.0.113.5, 10.1.1.1, 2001:db8::9");
  CHECK(lines.find("X-Forwarded-Proto") == "http");
  CHECK(lines.find("X-Forwarded-Host") == "outer.example");
  CHECK(lines.find("X-Forwarded-Port") == "80");
  CHECK(lines.find("X-Request-Id") == "outer-id");
  CHECK(lines.count("X-Real-IP") == 1);
  CHECK(lines.find("X-Real-IP") == "203.0.113.5");
  CHECK(lines.find("Forwarded") == "for=203.0.113.5, for=\"[2001:db8::9]\";proto=https");
  CHECK(lines.find("Via") == "1.1 edge, 1.0 gatehouse");
  CHECK_FALSE(lines.find("X_Forwarded_For"));
}

TEST_CASE("our name is counted in Via, whatever stands around it") {
  CHECK(times_in_via(fields({})) == 0);
  CHECK(times_in_via(fields({{"Via", "1.1 gatehouse"}})) == 1);
  CHECK(times_in_via(fields({{"Via", "1.1 gatehouse, 1.0 other, 2.0 GateHouse (a comment)"},
                             {"via", "1.1 gatehouse"}})) == 3);
  CHECK(times_in_via(fields({{"Via", "1.1 gatehouse.example, gatehouse"}})) == 0);
}

}  // namespace forwarded_fields_test
