#include "proxy/serve/route.hpp"

#include <doctest/doctest.h>

#include "proxy/serve/handlers/redirect.hpp"
#include "proxy/serve/request_facts.hpp"
#include "proxy/serve/snapshot.hpp"

using namespace gatehouse;
using serve::MatchPath;
using serve::PathPattern;
using serve::Template;

TEST_CASE("a path pattern matches exactly, or as a prefix that ends at a segment border") {
  struct Row {
    const char* pattern;
    const char* path;
    bool matches;
  };
  const Row rows[] = {
      {"/health", "/health", true},
      {"/health", "/health/", false},
      {"/health", "/healthy", false},
      {"/health", "/Health", false},
      {"/api/*", "/api/v1/x", true},
      {"/api/*", "/api/", true},
      {"/api/*", "/api", true},
      {"/api/*", "/apis", false},
      {"/api/*", "/API/x", false},
      {"/*", "/", true},
      {"/*", "/anything/else", true},
      {"/a/b/*", "/a/c", false},
      {"/*", "*", false},
  };
  for (const Row& row : rows) {
    INFO(row.pattern << " against " << row.path);
    CHECK(PathPattern(row.pattern).matches(row.path) == row.matches);
  }
}

TEST_CASE("rules see a path with its dot segments resolved and its escapes undone once") {
  struct Row {
    const char* path;
    const char* seen;
    bool ambiguous;
  };
  const Row rows[] = {
      {"/", "/", false},
      {"/a/b", "/a/b", false},
      {"/a/b/", "/a/b/", false},
      {"/a.b/.../c", "/a.b/.../c", false},
      {"//a///b", "/a/b", false},
      {"/a/./b", "/a/b", false},
      {"/a/../b", "/b", false},
      {"/a/b/..", "/a/", false},
      {"/a/.", "/a/", false},
      {"/../../etc", "/etc", false},
      {"/..", "/", false},
      {"/a/%2e%2E/b", "/b", false},
      {"/%61dmin", "/admin", false},
      {"/a%20b", "/a%20b", false},
      {"/.well-known/x", "/.well-known/x", false},
      {"/a%2fb", "/a%2fb", true},
      {"/a%5Cb", "/a%5Cb", true},
      {"/a\\b", "/a\\b", true},
      {"/a%00", "/a%00", true},
      {"/a;v=1/b", "/a;v=1/b", true},
      {"/a%252e", "/a%252e", true},
      {"/a%zz", "/a%zz", true},
      {"/a%2", "/a%2", true},
      {"*", "*", false},
  };
  std::string room;
  for (const Row& row : rows) {
    INFO(row.path);
    const MatchPath seen = MatchPath::of(row.path, room);
    CHECK(seen.text == row.seen);
    CHECK(seen.ambiguous == row.ambiguous);
  }
}

TEST_CASE("a common path is matched where it lies") {
  std::string room;
  const std::string path = "/assets/app.3f2a.js";
  CHECK(MatchPath::of(path, room).text.data() == path.data());
  CHECK(room.empty());
}

TEST_CASE("the first route in file order that takes path and method wins") {
  config::Site site;
  site.hosts = {"a.example"};
  site.routes.resize(4);
  site.routes[0].path = {"/api/*"};
  site.routes[0].method = {"GET", "HEAD"};
  site.routes[1].path = {"/api/*", "/old"};
  site.routes[2].path = {"/api/never"};
  const serve::Site compiled(site, 0);
  CHECK(compiled.decides_by_path);
  CHECK(compiled.route("GET", "/api/x")->index == 0);
  CHECK(compiled.route("POST", "/api/x")->index == 1);
  CHECK(compiled.route("get", "/api/x")->index == 1);  // methods are case-sensitive
  CHECK(compiled.route("GET", "/old")->index == 1);
  CHECK(compiled.route("GET", "/api/never")->index == 0);
  CHECK(compiled.route("GET", "/else")->index == 3);
  CHECK(compiled.route("GET", "/else")->name == "*");
}

TEST_CASE("a site whose routes leave something out answers it by no route") {
  config::Site site;
  site.hosts = {"a.example"};
  site.routes.resize(1);
  site.routes[0].path = {"/only"};
  const serve::Site compiled(site, 0);
  CHECK(compiled.route("GET", "/only") != nullptr);
  CHECK(compiled.route("GET", "/") == nullptr);
  CHECK_FALSE(compiled.decides_by_path);
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
