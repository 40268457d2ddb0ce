#include "proxy/serve/route.hpp"

#include <doctest/doctest.h>

#include <optional>

#include "proxy/serve/handlers/redirect.hpp"
#include "proxy/serve/request_facts.hpp"
#include "proxy/serve/snapshot.hpp"
#include "tests/support/result.hpp"

namespace route_test {

using namespace gatehouse;
using serve::Template;

namespace {

/// A site of a snapshot, and what its routes are asked for.
struct Rules {
  explicit Rules(std::vector<config::Route> routes) {
    config::Site from;
    from.hosts = {"a.example"};
    from.routes = std::move(routes);
    config = std::move(from);
    site.emplace(config, 0);
    const auto compiled = site->compile({}, pages, entropy);
    REQUIRE(compiled);
  }
  /// The place of the route that takes it; -1: none does.
  int route(std::string_view method, std::string_view path) {
    request.method = method;
    request.path = path;
    const serve::Route* found = site->route(request, path, client);
    return found ? static_cast<int>(found->index) : -1;
  }
  int route() { return route("GET", "/"); }

  config::Site config;
  serve::ErrorPageFiles pages;
  SystemEntropy entropy;
  std::optional<serve::Site> site;
  http::RequestHead request;
  asio::ip::address client = asio::ip::make_address("192.0.2.7");
};

config::Route by_path(config::Strings path, config::Strings method = {}) {
  config::Route route;
  route.path = std::move(path);
  route.method = std::move(method);
  return route;
}

}  // namespace

TEST_CASE("the first route in file order that takes path and method wins") {
  Rules rules({by_path({"/api/*"}, {"GET", "HEAD"}), by_path({"/api/*", "/old"}),
               by_path({"/api/never"}), by_path({"~ ^/v[0-9]+/", "/v"}), by_path({})});
  CHECK(rules.site->decides_by_path);
  CHECK(rules.route("GET", "/api/x") == 0);
  CHECK(rules.route("POST", "/api/x") == 1);
  CHECK(rules.route("get", "/api/x") == 1);  // methods are case-sensitive
  CHECK(rules.route("GET", "/old") == 1);
  CHECK(rules.route("GET", "/api/never") == 0);
  CHECK(rules.route("GET", "/v12/x") == 3);
  CHECK(rules.route("GET", "/v") == 3);
  CHECK(rules.route("GET", "/v/x") == 4);
  CHECK(rules.site->routes[4].name == "*");
}

TEST_CASE("a site whose routes leave something out answers it by no route") {
  Rules rules({by_path({"/only"})});
  CHECK(rules.route("GET", "/only") == 0);
  CHECK(rules.route("GET", "/") == -1);
  CHECK(rules.site->decides_by_path);
  CHECK_FALSE(Rules({by_path({})}).site->decides_by_path);
}

TEST_CASE("header fields decide by value, expression or absence, and all of them must") {
  config::Route beta;
  beta.header = {{"X-Beta", "1"}, {"Accept", "~ (?i)json"}, {"X-None", ""}};
  Rules rules({beta, by_path({})});
  http::Fields& fields = rules.request.fields;
  CHECK(rules.route() == 1);
  fields.add("x-beta", "1");
  CHECK(rules.route() == 1);
  fields.add("Accept", "text/html");
  CHECK(rules.route() == 1);
  fields.add("Accept", "application/JSON");  // one line is enough
  CHECK(rules.route() == 0);
  fields.add("X-None", "");
  CHECK(rules.route() == 1);
}

TEST_CASE("Host is matched as the client wrote it") {
  config::Route route;
  route.header = {{"Host", "~ ^a[.]example:8443$"}};
  Rules rules({route});
  rules.request.authority = "a.example:8443";
  CHECK(rules.route() == 0);
  rules.request.authority = "a.example";
  CHECK(rules.route() == -1);
}

TEST_CASE("query parameters are compared decoded") {
  config::Route route;
  route.query = {{"q", "a b&c"}, {"page", "~ ^[0-9]+$"}, {"debug", ""}};
  Rules rules({route, by_path({})});
  struct Row {
    const char* query;
    bool taken;
  };
  const Row rows[] = {
      {"q=a%20b%26c&page=3", true},
      {"page=3&q=a+b%26c", true},
      {"q=x&q=a+b%26c&page=03", true},
      {"%71=a+b%26c&page=%33", true},
      {"q=a+b%26c&page=x", false},
      {"q=a+b%26cd&page=3", false},
      {"q=a+b%26&page=3", false},
      {"q&page=3", false},
      {"page=3", false},
      {"", false},
      {"q=a+b%26c&page=3&debug", false},
      {"q=a+b%26c&page=3&debug=", false},
      {"q=a+b%26c&page=3&nodebug=1&", true},
      {"q=a+b%26c&page=%3", false},
  };
  for (const Row& row : rows) {
    INFO(row.query);
    rules.request.query = row.query;
    CHECK((rules.route() == 0) == row.taken);
  }
}

TEST_CASE("a client's address decides by block") {
  config::Route inside;
  inside.client_ip = {"private", "2001:db8::/32"};
  Rules rules({inside, by_path({})});
  const auto from = [&](const char* address) {
    rules.client = asio::ip::make_address(address);
    return rules.route();
  };
  CHECK(from("10.1.2.3") == 0);
  CHECK(from("::ffff:10.1.2.3") == 0);
  CHECK(from("2001:db8::1") == 0);
  CHECK(from("203.0.113.9") == 1);
}

TEST_CASE("a route keeps what it counts when a reload leaves its matchers as they were") {
  config::Route counted = by_path({"/a"});
  counted.max_in_flight = 1;
  counted.rate_limit.emplace();
  counted.rate_limit->requests = 5;
  Rules before({counted});
  const auto state = before.site->routes[0].state;
  REQUIRE(state);
  REQUIRE(state->rates);
  const serve::RouteStates kept{{before.site->routes[0].identity(), state}};
  counted.rate_limit->requests = 9;  // other numbers, same counts
  Rules after({by_path({"/first"}), counted});
  serve::Site& site = *after.site;
  REQUIRE(site.compile(kept, after.pages, after.entropy));
  CHECK(site.routes[1].state == state);
  CHECK(site.routes[0].state == nullptr);
  counted.rate_limit->key = "host";
  Rules other({counted});
  CHECK(other.site->routes[0].identity() != before.site->routes[0].identity());
}

TEST_CASE("placeholders are filled from the request and other braces stay") {
  http::RequestHead request;
  request.host = "shop.example";
  request.path = "/a b";
  request.query = "q=1";
  request.has_query = true;
  serve::RequestFacts facts;
  facts.id = "0123";
  facts.client_ip = asio::ip::make_address("2001:db8::1");
  const auto filled = [&](std::string_view text) { return Template(text).text(request, facts); };
  CHECK(filled("https://www.{host}{path}{?query}") == "https://www.shop.example/a b?q=1");
  CHECK(filled("{query}|{scheme}|{client_ip}|{request_id}|{tls.sni}|") ==
        "q=1|http|2001:db8::1|0123||");
  CHECK(filled("{nothing} {{host}} {") == "{nothing} {shop.example} {");
  CHECK(filled("plain") == "plain");
  CHECK(filled("").empty());
  request.has_query = false;
  request.query = {};
  CHECK(filled("{path}{?query}") == "/a b");
  request.host = "2001:db8::1";
  CHECK(filled("https://{host}/") == "https://[2001:db8::1]/");
}

TEST_CASE("a redirect to https keeps host, path and query and names another port than 443") {
  struct Row {
    const char* host;
    const char* path;
    const char* query;  // null: none
    std::uint16_t port;
    const char* location;
  };
  const Row rows[] = {
      {"a.example", "/", nullptr, 443, "https://a.example/"},
      {"a.example", "/x/y", "a=1&b=2", 443, "https://a.example/x/y?a=1&b=2"},
      {"a.example", "/x", "", 443, "https://a.example/x?"},
      {"a.example", "/x", nullptr, 8443, "https://a.example:8443/x"},
      {"192.0.2.1", "/", nullptr, 443, "https://192.0.2.1/"},
      {"2001:db8::1", "/", nullptr, 443, "https://[2001:db8::1]/"},
      {"2001:db8::1", "/", nullptr, 8443, "https://[2001:db8::1]:8443/"},
      {"a.example", "//other.example/x", nullptr, 443, "https://a.example//other.example/x"},
      {"a.example", "*", nullptr, 443, "https://a.example/"},
  };
  for (const Row& row : rows) {
    http::RequestHead request;
    request.host = row.host;
    request.path = row.path;
    request.has_query = row.query != nullptr;
    if (row.query) request.query = row.query;
    INFO(row.location);
    CHECK(serve::https_location(request, row.port) == row.location);
  }
}

TEST_CASE("a redirect that begins with the path cannot be turned to another host") {
  config::Site site;
  site.hosts = {"a.example"};
  site.routes.resize(1);
  site.routes[0].redirect = config::Redirect{"{path}index", 302};
  const serve::Site compiled(site, 0);
  const serve::RequestFacts facts;
  const auto location = [&](std::string_view path) {
    http::RequestHead request;
    request.path = path;
    return serve::redirect_location(compiled.routes.front(), request, facts);
  };
  CHECK(location("/docs/") == "/docs/index");
  CHECK(location("//other.example/") == "/other.example/index");
  CHECK(location("/\\other.example/") == "/other.example/index");
  CHECK(location("///") == "/index");
}

}  // namespace route_test
