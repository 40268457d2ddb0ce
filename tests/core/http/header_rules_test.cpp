#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/http/h1_scan.hpp"
#include "core/http/header_rules.hpp"

namespace header_rules_test {

using namespace gatehouse::http;

namespace {

std::string names(const Fields& fields) {
  std::string out;
  for (const Field& line : fields) out += std::string(line.name) + " ";
  return out;
}

std::string passed_on(std::string_view lines, Direction direction) {
  Fields fields;
  REQUIRE_FALSE(split_fields(lines, fields));
  remove_hop_by_hop(fields, direction);
  return names(fields);
}

}  // namespace

TEST_CASE("fields of one connection and those it names do not pass") {
  CHECK(passed_on("Connection: X-One, keep-alive\r\nX-One: 1\r\nX-Two: 2\r\nx-one: 3\r\n"
                  "Keep-Alive: timeout=5\r\nProxy-Connection: x\r\nTE: trailers\r\nTrailer: X\r\n"
                  "Upgrade: h2c\r\nHTTP2-Settings: x\r\nProxy-Authorization: x\r\nExpect: x\r\n",
                  Direction::request) == "X-Two ");
  CHECK(passed_on("Connection: close\r\nProxy-Authenticate: x\r\nProxy-Authentication-Info: x\r\n"
                  "Server: x\r\nUpgrade: x\r\n",
                  Direction::response) == "Server ");
}

TEST_CASE("options of all Connection lines count, also of a line after the field they name") {
  CHECK(passed_on("X-One: 1\r\nConnection: a\r\nX-Two: 2\r\nConnection: x-two,,X-ONE\r\n",
                  Direction::request) == "");
}

TEST_CASE("a Connection option deletes no end-to-end or security field") {
  const std::string_view lines =
      "Connection: X-Forwarded-For, Authorization, Cookie, Content-Type, Date, Early-Data, "
      "Forwarded, X-Real-IP, Cache-Control, Via, X-Request-Id, X-Mine\r\n"
      "X-Forwarded-For: 192.0.2.1\r\nAuthorization: x\r\nCookie: x\r\nContent-Type: x\r\n"
      "Date: x\r\nEarly-Data: 1\r\nForwarded: x\r\nX-Real-IP: x\r\nCache-Control: x\r\nVia: x\r\n"
      "X-Request-Id: x\r\nX-Mine: x\r\n";
  CHECK(passed_on(lines, Direction::request) ==
        "X-Forwarded-For Authorization Cookie Content-Type Date Early-Data Forwarded X-Real-IP "
        "Cache-Control Via X-Request-Id ");
}

TEST_CASE("names that a backend would fold into a protected one are known") {
  for (const std::string name :
       {"X_Forwarded_For", "x_real_ip", "Content_Length", "X-Forwarded_Host", "Transfer_Encoding",
        "X_Client_Cert_Subject"}) {
    CAPTURE(name);
    CHECK(imitates_protected(name));
  }
  for (const std::string name : {"X-Forwarded-For", "my_field", "Content-Length", "_"}) {
    CAPTURE(name);
    CHECK_FALSE(imitates_protected(name));
  }
}

TEST_CASE("names that only a proxy may set are known") {
  CHECK(forwarded_family.has(field_name("FORWARDED")));
  CHECK(forwarded_family.has(field_name("x-forwarded-anything")));
  CHECK_FALSE(forwarded_family.has(field_name("x-forwarded")));
  CHECK(spoofable.has(field_name("Proxy")));
  CHECK(spoofable.has(field_name("Client-Cert")));
  CHECK(spoofable.has(field_name("X-Client-Cert-Subject")));
  CHECK(spoofable.has(field_name("X-Accel-Redirect")));
  CHECK_FALSE(spoofable.has(field_name("Proxy-Status")));
}

TEST_CASE("fields kept by a message stay where they are while it grows and moves") {
  Fields fields;
  std::vector<std::string> wanted;
  for (int i = 0; i < 200; ++i) {
    wanted.push_back("value " + std::to_string(i) + std::string(static_cast<std::size_t>(i), 'x'));
    fields.add_copy("X-" + std::to_string(i), wanted.back());
  }
  fields.add_copy("X-Large", std::string(5000, 'y'));
  const Fields moved = std::move(fields);
  REQUIRE(moved.size() == 201);
  std::size_t i = 0;
  for (const Field& line : moved) {
    if (i < wanted.size()) CHECK(line.value == wanted[i]);
    ++i;
  }
  CHECK(moved.find("x-large")->size() == 5000);
}

TEST_CASE("a WebSocket key is 16 octets in base64") {
  CHECK(is_websocket_key("dGhlIHNhbXBsZSBub25jZQ=="));
  CHECK_FALSE(is_websocket_key("dGhlIHNhbXBsZSBub25jZQ"));
  CHECK_FALSE(is_websocket_key("dGhlIHNhbXBsZSBub25jZ!=="));
  CHECK_FALSE(is_websocket_key(""));
}

}  // namespace header_rules_test
