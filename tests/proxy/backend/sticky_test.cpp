#include "proxy/serve/backend/sticky.hpp"

#include <doctest/doctest.h>

namespace sticky_test {

using namespace gatehouse;
using namespace gatehouse::serve::backend;

TEST_CASE("a sticky token hangs on the key, the backend and the server, and shows none of them") {
  const std::string token = sticky_token("key", "app", "10.0.0.1:80");
  CHECK(token == sticky_token("key", "app", "10.0.0.1:80"));
  CHECK(token != sticky_token("key", "app", "10.0.0.2:80"));
  CHECK(token != sticky_token("key", "other", "10.0.0.1:80"));
  CHECK(token != sticky_token("other", "app", "10.0.0.1:80"));
  CHECK(token.size() == 22);
  CHECK(token.find("10") == std::string::npos);
}

TEST_CASE("a sticky cookie is for the session, out of reach of scripts, and secure over TLS") {
  CHECK(sticky_cookie("pin", "abc", false) == "pin=abc; Path=/; HttpOnly; SameSite=Lax");
  CHECK(sticky_cookie("pin", "abc", true) == "pin=abc; Path=/; HttpOnly; SameSite=Lax; Secure");
}

TEST_CASE("a cookie is found wherever it stands") {
  http::Fields fields;
  fields.add("cookie", "a=1;pin=x=y; b=2");
  fields.add("Cookie", "  pin=second; c ;=; spin=9");
  CHECK(cookie_value(fields, "pin") == "x=y");
  CHECK(cookie_value(fields, "a") == "1");
  CHECK(cookie_value(fields, "spin") == "9");
  CHECK_FALSE(cookie_value(fields, "in"));
  CHECK_FALSE(cookie_value(fields, "PIN"));
  CHECK_FALSE(cookie_value(fields, "c"));
}

}  // namespace sticky_test
