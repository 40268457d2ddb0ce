#include "proxy/serve/handlers/forward_auth.hpp"

#include <doctest/doctest.h>

#include "tests/proxy/serve/answers.hpp"
#include "tests/proxy/serve/bench.hpp"

namespace forward_auth_test {

using namespace gatehouse;
using namespace gatehouse::serve;
using namespace std::chrono_literals;
using gatehouse::test::body_in;
using gatehouse::test::field_of;
using gatehouse::test::Script;
using gatehouse::test::status_of;

namespace {

/// A site whose requests a server of authority is asked about. Dialled first: that server.
struct GuardedSite {
  std::unique_ptr<serve::test::Bench> bench;
  std::shared_ptr<Script> client;
  std::shared_ptr<Script> authority;

  explicit GuardedSite(bool reachable = true,
                       config::Strings copy = {"Remote-User", "X-Forwarded-Groups"},
                       config::Route route = {}) {
    config::Backend backend;
    backend.name = "app";
    config::BackendServer made;
    made.host = "127.0.0.1";
    made.port = 9;
    made.text = "127.0.0.1:9";
    backend.servers.push_back(made);
    route.backend = "app";
    route.forward_auth.emplace();
    route.forward_auth->url = "http://127.0.0.1:7/verify?rd=1";
    route.forward_auth->copy = std::move(copy);
    auto site = serve::test::site_for({"a.example"}, config::TlsMode::off, {route});
    auto config = serve::test::config_with({site});
    config.backends.push_back(backend);
    bench = std::make_unique<serve::test::Bench>(std::move(config));
    if (reachable) authority = bench->dialer.lead();
    client = bench->connect();
  }
  std::string ask(const std::string& fields = "",
                  const std::string& line = "GET /private?a=b HTTP/1.1") {
    return bench->ask(client, line + "\r\nHost: a.example\r\n" + fields + "\r\n");
  }
  std::string authority_says(const std::string& answer) {
    authority->send(answer);
    bench->settle();
    return client->take_written();
  }
};

const std::string yes = "HTTP/1.1 204 No Content\r\n";

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

}  // namespace

TEST_CASE("the authority is asked who and what, and nothing of the body") {
  GuardedSite site;
  site.ask(
      "Cookie: s=1\r\nAuthorization: Bearer x\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n"
      "If-None-Match: \"x\"\r\nRange: bytes=0-1\r\nX-Forwarded-Uri: /forged\r\n"
      "X-Forwarded-For: 6.6.6.6\r\nRemote-User: root\r\n",
      "POST /private?a=b HTTP/1.1");
  const std::string asked = site.authority->written();
  CHECK(asked.starts_with("GET /verify?rd=1 HTTP/1.1\r\n"));
  CHECK(field_of(asked, "Host") == "127.0.0.1:7");
  CHECK(field_of(asked, "X-Forwarded-Method") == "POST");
  CHECK(field_of(asked, "X-Forwarded-Uri") == "/private?a=b");
  CHECK(field_of(asked, "X-Forwarded-Host") == "a.example");
  CHECK(field_of(asked, "X-Forwarded-Proto") == "http");
  CHECK(field_of(asked, "X-Forwarded-For") == "192.0.2.7");
  CHECK(field_of(asked, "Cookie") == "s=1");
  CHECK(field_of(asked, "Authorization") == "Bearer x");
  for (const char* gone :
       {"Content-Type", "Content-Length", "If-None-Match", "Range", "Remote-User"}) {
    CAPTURE(gone);
    CHECK(field_of(asked, gone).empty());
  }
}

TEST_CASE("the authority is asked about the path as it was before the route changed it") {
  config::Route route;
  route.strip_prefix = "/private";
  route.rewrite = config::Rewrite{"^(.*)$", "/app$1?more=1"};
  GuardedSite site(true, {}, route);
  SUBCASE("as it came") {
    site.ask("", "GET /private/x%20y?a=b HTTP/1.1");
    CHECK(field_of(site.authority->written(), "X-Forwarded-Uri") == "/private/x%20y?a=b");
  }
  SUBCASE("but settled: routes and servers know no other reading") {
    site.ask("", "GET /public/%2e%2e/private/./x HTTP/1.1");
    CHECK(field_of(site.authority->written(), "X-Forwarded-Uri") == "/private/x");
  }
}

TEST_CASE("yes lets the request through with the fields that the authority set") {
  GuardedSite site;
  const auto server = site.bench->dialer.lead();
  site.ask(
      "Remote-User: root\r\nremote_user: root\r\nX-Forwarded-Groups: admins\r\n"
      "Connection: Remote-User, X-Forwarded-Groups\r\n");
  CHECK(server->written().empty());
  site.authority_says(yes +
                      "Remote-User: alice\r\nX-Forwarded-Groups: staff\r\nSet-Cookie: x=1\r\n\r\n");
  const std::string forwarded = server->written();
  CHECK(forwarded.starts_with("GET /private?a=b HTTP/1.1\r\n"));
  CHECK(field_of(forwarded, "Remote-User") == "alice");
  CHECK(field_of(forwarded, "X-Forwarded-Groups") == "staff");
  CHECK(field_of(forwarded, "X-Forwarded-Uri").empty());
  CHECK(count(forwarded, "root") == 0);
  CHECK(count(forwarded, "Set-Cookie") == 0);
  CHECK(count(forwarded, "X-Forwarded-For: ") == 1);
  server->send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  site.bench->settle();
  CHECK(body_in(site.client->take_written()) == "hi");
}

TEST_CASE("a client's word for a copied field goes also when the authority says nothing") {
  GuardedSite site;
  const auto server = site.bench->dialer.lead();
  site.ask("Remote-User: root\r\nREMOTE_USER: root\r\n");
  site.authority_says(yes + "\r\n");
  CHECK(server->written().starts_with("GET /private"));
  CHECK(count(server->written(), "root") == 0);
}

TEST_CASE("credentials are shown to the authority also where its own are copied") {
  GuardedSite site(true, {"Authorization"});
  const auto server = site.bench->dialer.lead();
  site.ask("Authorization: Basic YTpi\r\n");
  CHECK(field_of(site.authority->written(), "Authorization") == "Basic YTpi");
  site.authority_says(yes + "Authorization: Bearer inside\r\n\r\n");
  CHECK(field_of(server->written(), "Authorization") == "Bearer inside");
}

TEST_CASE("anything but yes is the answer, with what it says") {
  GuardedSite site;
  site.ask();
  const std::string answer = site.authority_says(
      "HTTP/1.1 302 Found\r\nLocation: https://login.example/\r\nSet-Cookie: a=1\r\n"
      "Set-Cookie: b=2\r\nContent-Type: text/html\r\nKeep-Alive: timeout=5\r\n"
      "Content-Length: 7\r\n\r\nsign in");
  CHECK(status_of(answer) == 302);
  CHECK(field_of(answer, "Location") == "https://login.example/");
  CHECK(count(answer, "Set-Cookie: ") == 2);
  CHECK(field_of(answer, "Content-Type") == "text/html");
  CHECK(field_of(answer, "Cache-Control") == "no-store");
  CHECK(field_of(answer, "Keep-Alive").empty());
  CHECK(body_in(answer) == "sign in");
  CHECK(site.bench->dialer.dialled().size() == 1);
  CHECK(site.bench->worker->counters.rejected == 1);
}

TEST_CASE("the authority's challenge reaches the client") {
  GuardedSite site;
  site.ask();
  const std::string answer = site.authority_says(
      "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n"
      "Cache-Control: private\r\nContent-Length: 0\r\n\r\n");
  CHECK(status_of(answer) == 401);
  CHECK(field_of(answer, "WWW-Authenticate") == "Basic realm=\"x\"");
  CHECK(field_of(answer, "Cache-Control") == "private");
}

TEST_CASE("the connection to the authority is kept for the next question") {
  GuardedSite site;
  const std::string no = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
  site.ask();
  CHECK(status_of(site.authority_says(no)) == 403);
  site.ask();
  CHECK(status_of(site.authority_says(no)) == 403);
  CHECK(site.bench->dialer.dialled().size() == 1);
}

TEST_CASE("an authority that cannot be asked lets nobody through") {
  SUBCASE("refuses the connection") {
    GuardedSite site(false);
    CHECK(status_of(site.ask()) == 503);
  }
  SUBCASE("is silent") {
    GuardedSite site;
    CHECK(site.ask().empty());
    site.bench->advance(6s);
    CHECK(status_of(site.client->take_written()) == 503);
  }
  SUBCASE("breaks off") {
    GuardedSite site;
    site.ask();
    site.authority->cut();
    site.bench->settle();
    CHECK(status_of(site.client->take_written()) == 503);
  }
  SUBCASE("talks nonsense") {
    GuardedSite site;
    site.ask();
    CHECK(status_of(site.authority_says("nonsense\r\n\r\n")) == 502);
  }
  SUBCASE("says more than we take") {
    GuardedSite site;
    site.ask();
    CHECK(
        status_of(site.authority_says("HTTP/1.1 403 Forbidden\r\nContent-Length: 1000000\r\n\r\n" +
                                      std::string(1'000'000, 'x'))) == 502);
  }
  SUBCASE("speaks of a copy that it was not asked about") {
    GuardedSite site;
    site.ask();
    CHECK(status_of(site.authority_says("HTTP/1.1 304 Not Modified\r\n\r\n")) == 502);
  }
}

}  // namespace forward_auth_test
