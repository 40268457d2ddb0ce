#include "proxy/control/admin_rules.hpp"

#include <doctest/doctest.h>

namespace admin_rules_test {

using namespace gatehouse::control;

namespace {

AdminDoor tcp_door() { return {false, "127.0.0.1", 2019, "the-token-of-this-process"}; }

AdminRequest get(std::string_view host, std::uint16_t port) {
  AdminRequest request;
  request.method = "GET";
  request.host = host;
  request.port = port;
  return request;
}

AdminRequest post() {
  AdminRequest request = get("127.0.0.1", 2019);
  request.method = "POST";
  return request;
}

int status(const AdminRequest& request) {
  const auto refusal = refuse(tcp_door(), request);
  return refusal ? refusal->status : 0;
}

}  // namespace

TEST_CASE("over TCP the Host must be the admin address or localhost") {
  CHECK(status(get("127.0.0.1", 2019)) == 0);
  CHECK(status(get("localhost", 2019)) == 0);
  CHECK(status(get("127.0.0.1", 0)) == 403);
  CHECK(status(get("127.0.0.1", 2020)) == 403);
  CHECK(status(get("rebound.example", 2019)) == 403);
  CHECK(status(get("", 0)) == 403);
}

TEST_CASE("a request that a page of another origin sends is refused") {
  AdminRequest request = get("localhost", 2019);
  request.origin = "http://localhost:2019";
  CHECK(status(request) == 0);
  for (const char* origin : {"https://localhost:2019", "http://localhost:3000", "http://localhost",
                             "http://evil.example", "null", ""}) {
    CAPTURE(origin);
    request.origin = origin;
    CHECK(status(request) == 403);
  }
  request.origin.reset();
  request.fetch_site = "same-origin";
  CHECK(status(request) == 0);
  request.fetch_site = "none";
  CHECK(status(request) == 0);
  for (const char* site : {"cross-site", "same-site", ""}) {
    CAPTURE(site);
    request.fetch_site = site;
    CHECK(status(request) == 403);
  }
}

TEST_CASE("whatever changes something over TCP needs the token") {
  AdminRequest request = post();
  CHECK(status(request) == 401);
  for (const char* wrong : {"Bearer ", "Bearer the-token-of-this-procesz", "Bearer the-token",
                            "Basic the-token-of-this-process", "the-token-of-this-process"}) {
    CAPTURE(wrong);
    request.authorization = wrong;
    CHECK(status(request) == 401);
  }
  request.authorization = "Bearer the-token-of-this-process";
  CHECK(status(request) == 0);
  request.authorization = "bearer the-token-of-this-process";
  CHECK(status(request) == 0);
  request.method = "DELETE";
  request.authorization.reset();
  CHECK(status(request) == 401);
}

TEST_CASE("an empty token opens nothing") {
  AdminDoor door = tcp_door();
  door.token.clear();
  AdminRequest request = post();
  request.authorization = "Bearer ";
  REQUIRE(refuse(door, request));
  CHECK(refuse(door, request)->status == 401);
}

TEST_CASE("on the unix socket its mode is the guard") {
  AdminRequest request = post();
  request.host = "gatehouse";
  CHECK_FALSE(refuse(AdminDoor{}, request));
}

}  // namespace admin_rules_test
