#include <doctest/doctest.h>

#include <fstream>
#include <future>
#include <optional>

#include "core/base/bytes.hpp"
#include "proxy/serve/handlers/basic_auth.hpp"
#include "tests/proxy/serve/bench.hpp"
#include "tests/support/temporary_folder.hpp"

namespace handlers_test {

using namespace gatehouse;
using namespace gatehouse::serve::test;
using namespace std::chrono_literals;
using config::TlsMode;

namespace {

config::Config plain(std::vector<config::Route> routes) {
  return config_with({site_for({"a.example"}, TlsMode::off, std::move(routes))});
}

std::string get(std::string_view target, std::string_view fields = {}) {
  std::string text = "GET ";
  return text.append(target).append(" HTTP/1.1\r\nHost: a.example\r\n").append(fields) + "\r\n";
}

std::string from(Bench& bench, const std::string& peer, std::string_view fields = {}) {
  return bench.ask(bench.connect("plain", peer), get("/", fields));
}

std::string status(const std::string& answer) { return answer.substr(9, 3); }

std::string field(const std::string& answer, const std::string& name) {
  const std::size_t at = answer.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "none";
  const std::size_t begin = at + name.size() + 4;
  return answer.substr(begin, answer.find("\r\n", begin) - begin);
}

// Of "sesame", as cheap as they can be had.
constexpr const char* sesame = "$2b$04$abcdefghijklmnopqrstuuinwY/tkBVrn3xrxQI/TgnMHhkvl85RW";

}  // namespace

TEST_CASE("allow and deny let in who is allowed and not denied") {
  config::Route route = responding("in");
  route.allow = {"10.0.0.0/8", "2001:db8::/32"};
  route.deny = {"10.1.0.0/16"};
  Bench bench(plain({route}));
  CHECK(status(from(bench, "10.0.0.1")) == "200");
  CHECK(status(from(bench, "2001:db8::7")) == "200");
  CHECK(status(from(bench, "10.1.0.1")) == "403");
  CHECK(status(from(bench, "192.0.2.1")) == "403");
  CHECK(bench.worker->counters.rejected == 2);
}

TEST_CASE("deny alone lets in everybody else") {
  config::Route route = responding("in");
  route.deny = {"192.0.2.0/24"};
  Bench bench(plain({route}));
  CHECK(status(from(bench, "10.0.0.1")) == "200");
  CHECK(status(from(bench, "192.0.2.1")) == "403");
}

TEST_CASE("a client over its rate is told when to come back, and a reload forgets nothing") {
  config::Route route = responding("in");
  route.rate_limit.emplace();
  route.rate_limit->requests = 2;
  route.rate_limit->per = 60s;
  Bench bench(plain({route}));
  CHECK(status(from(bench, "192.0.2.1")) == "200");
  CHECK(status(from(bench, "192.0.2.1")) == "200");
  const std::string refused = from(bench, "192.0.2.1");
  CHECK(status(refused) == "429");
  CHECK(field(refused, "Retry-After") == "30");
  CHECK(status(from(bench, "192.0.2.2")) == "200");
  bench.publish(plain({responding("other", {"/other"}), route}));
  CHECK(status(from(bench, "192.0.2.1")) == "429");
  bench.advance(30s);
  CHECK(status(from(bench, "192.0.2.1")) == "200");
}

TEST_CASE("IPv6 clients are counted by their /64") {
  config::Route route = responding("in");
  route.rate_limit.emplace();
  route.rate_limit->requests = 1;
  Bench bench(plain({route}));
  CHECK(status(from(bench, "2001:db8::1")) == "200");
  CHECK(status(from(bench, "2001:db8::ffff:2")) == "429");
  CHECK(status(from(bench, "2001:db8:0:1::1")) == "200");
}

TEST_CASE("requests are counted by a field's value, and by address where it is left out") {
  config::Route route = responding("in");
  route.rate_limit.emplace();
  route.rate_limit->requests = 1;
  route.rate_limit->key = "header:X-Key";
  Bench bench(plain({route}));
  CHECK(status(from(bench, "192.0.2.1", "X-Key: a\r\n")) == "200");
  CHECK(status(from(bench, "192.0.2.2", "x-key: a\r\n")) == "429");
  CHECK(status(from(bench, "192.0.2.1", "X-Key: b\r\n")) == "200");
  CHECK(status(from(bench, "192.0.2.1")) == "200");
  CHECK(status(from(bench, "192.0.2.1")) == "429");
  CHECK(status(from(bench, "192.0.2.2")) == "200");
}

TEST_CASE("past max_in_flight a route answers 503 until one of its requests has ended") {
  config::Config config = plain({});
  config::Backend backend;
  backend.name = "app";
  backend.servers.resize(1);
  backend.servers[0].text = "10.0.0.9:80";
  backend.servers[0].host = "10.0.0.9";
  backend.servers[0].port = 80;
  config.backends = {backend};
  config::Route route;
  route.backend = "app";
  route.max_in_flight = 1;
  config.sites[0].routes = {route};
  Bench bench(config);
  const auto server = bench.dialer.lead();
  const auto first = bench.connect("plain", "192.0.2.1");
  CHECK(bench.ask(first, get("/")).empty());  // waits for its server
  const std::string refused = from(bench, "192.0.2.2");
  CHECK(status(refused) == "503");
  CHECK(field(refused, "Retry-After") == "1");
  bench.publish(config);
  CHECK(status(from(bench, "192.0.2.2")) == "503");  // a reload counts on
  server->send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  CHECK(status(bench.ask(first, "")) == "200");
  bench.dialer.lead();
  CHECK(from(bench, "192.0.2.2").empty());
}

TEST_CASE("what an Authorization field says by the scheme Basic") {
  const auto of = [](const std::string& text) { return serve::basic_credentials(text); };
  const auto alice = of("bAsIc  " + base64("alice:open:sesame"));
  REQUIRE(alice);
  CHECK(alice->user == "alice");
  CHECK(alice->password == "open:sesame");
  CHECK(of("Basic " + base64(":"))->user.empty());
  CHECK_FALSE(of(""));
  CHECK_FALSE(of("Basic"));
  CHECK_FALSE(of("Bearer " + base64("alice:x")));
  CHECK_FALSE(of("Basic " + base64("alice")));
  CHECK_FALSE(of("Basic =="));
  CHECK_FALSE(of("Basic " + base64(std::string("alice:x\0y", 9))));
  CHECK_FALSE(of("Basic " + base64("alice:" + std::string(2000, 'x'))));
}

namespace {

struct Login {
  explicit Login(const char* hash) {
    config::Route route = responding("in");
    route.basic_auth.emplace();
    route.basic_auth->users = {{"alice", {hash}}};
    route.basic_auth->realm = "the \"vault\"";
    bench.emplace(plain({route}));
  }
  /// Runs until helpers are done and an answer is there.
  std::string answer_to(const std::shared_ptr<gatehouse::test::Script>& client) {
    std::string answer = client->take_written();
    for (int i = 0; i < 1000 && answer.empty(); ++i) {
      bench->worker->io.restart();
      bench->worker->io.run_for(10ms);
      answer = client->take_written();
    }
    return answer;
  }
  std::shared_ptr<gatehouse::test::Script> send(const std::string& credentials) {
    auto client = bench->connect();
    client->send(get("/", "Authorization: Basic " + base64(credentials) + "\r\n"));
    bench->settle();
    return client;
  }
  std::string ask(const std::string& credentials) { return answer_to(send(credentials)); }

  std::optional<Bench> bench;
};

}  // namespace

TEST_CASE("a route with basic_auth asks for a password and lets in who knows one") {
  Login login(sesame);
  const std::string challenge = login.bench->ask(login.bench->connect(), get("/"));
  CHECK(status(challenge) == "401");
  CHECK(field(challenge, "WWW-Authenticate") ==
        "Basic realm=\"the \\\"vault\\\"\", charset=\"UTF-8\"");
  CHECK(status(login.ask("alice:wrong")) == "401");
  CHECK(status(login.ask("mallory:sesame")) == "401");  // though it fits the hash of another
  CHECK(status(login.ask("alice:sesame")) == "200");
  CHECK(login.bench->worker->passwords.waiting() == 0);
}

TEST_CASE("a password that was right is remembered, until the user gets another one") {
  Login login(sesame);
  CHECK(status(login.ask("alice:sesame")) == "200");
  const std::string at_once = login.bench->ask(
      login.bench->connect(), get("/", "Authorization: Basic " + base64("alice:sesame") + "\r\n"));
  CHECK(status(at_once) == "200");
  config::Route route = responding("in");
  route.basic_auth.emplace();
  route.basic_auth->users = {
      {"alice", {"$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"}}};
  login.bench->publish(plain({route}));
  CHECK(status(login.ask("alice:sesame")) == "401");
  CHECK(status(login.ask("alice:correct horse")) == "200");
}

TEST_CASE("requests that bring the same password wait for one check") {
  Login login(sesame);
  std::vector<std::shared_ptr<gatehouse::test::Script>> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(login.send("alice:sesame"));
  for (const auto& client : clients) CHECK(status(login.answer_to(client)) == "200");
}

TEST_CASE("past a number that waits for checks the next one is turned away") {
  Login login(sesame);
  std::promise<void> gate;
  asio::post(login.bench->helpers.executor(), [open = gate.get_future().share()] { open.wait(); });
  std::vector<std::shared_ptr<gatehouse::test::Script>> clients;
  for (std::size_t i = 0; i < serve::Passwords::most_waiting; ++i) {
    clients.push_back(login.send("alice:" + std::to_string(i)));
  }
  CHECK(login.bench->worker->passwords.waiting() == serve::Passwords::most_waiting);
  const std::string refused = login.ask("alice:sesame");
  CHECK(status(refused) == "503");
  CHECK(field(refused, "Retry-After") == "1");
  gate.set_value();
  for (const auto& client : clients) CHECK(status(login.answer_to(client)) == "401");
  CHECK(login.bench->worker->passwords.waiting() == 0);
  CHECK(status(login.ask("alice:sesame")) == "200");
}

TEST_CASE("a password that nobody waits for any more is not checked") {
  Login login(sesame);
  std::promise<void> gate;
  asio::post(login.bench->helpers.executor(), [open = gate.get_future().share()] { open.wait(); });
  const auto gone = login.send("alice:sesame");
  REQUIRE(login.bench->worker->passwords.waiting() == 1);
  asio::post(login.bench->worker->io, [&] { login.bench->worker->cut_connections(); });
  login.bench->settle();
  REQUIRE(login.bench->worker->passwords.waiting() == 0);
  const std::string asked_again =
      get("/", "Authorization: Basic " + base64("alice:sesame") + "\r\n");
  SUBCASE("not at all") {
    gate.set_value();
    CHECK(status(login.ask("alice:wrong")) == "401");  // behind it
    config::BasicAuth auth;
    auth.users = {{"alice", {sesame}}};
    const serve::Users users(auth);
    CHECK_FALSE(login.bench->worker->passwords.remembers(users, "alice", "sesame"));
    CHECK(status(login.ask("alice:sesame")) == "200");
    CHECK(login.bench->worker->passwords.remembers(users, "alice", "sesame"));
  }
  SUBCASE("but for who asks again") {
    const auto client = login.bench->connect();
    CHECK(login.bench->ask(client, asked_again).empty());
    gate.set_value();
    CHECK(status(login.answer_to(client)) == "200");
  }
}

TEST_CASE("every answer of a route passes its header edits, refusals keep their own care") {
  config::Route route = responding("in", {"/in"});
  route.response_headers.set = {{"X-Frame-Options", "DENY"}, {"Cache-Control", "max-age=60"}};
  route.response_headers.add = {{"X-Path", "{path}"}};
  route.response_headers.remove = {"Content-Type"};
  config::Route closed = route;
  closed.path = {"/closed"};
  closed.deny = {"192.0.2.0/24"};
  Bench bench(plain({route, closed}));
  const std::string good = bench.get("a.example", "/in");
  CHECK(status(good) == "200");
  CHECK(field(good, "X-Frame-Options") == "DENY");
  CHECK(field(good, "Cache-Control") == "max-age=60");
  CHECK(field(good, "X-Path") == "/in");
  CHECK(field(good, "Content-Type") == "none");
  const std::string refused = bench.get("a.example", "/closed");
  CHECK(status(refused) == "403");
  CHECK(field(refused, "X-Frame-Options") == "DENY");
  CHECK(field(refused, "Cache-Control") == "no-store");
}

TEST_CASE("hsts is told once on every answer over TLS and never without it") {
  config::Route route = responding("in", {"/in"});
  route.response_headers.set = {{"Strict-Transport-Security", "max-age=1"}};
  auto site = site_for({"a.example"}, TlsMode::files, {route});
  site.tls.hsts = "1y; includeSubDomains";
  site.redirect_http = false;
  Bench bench(config_with({site}));
  bench.worker->certificates.put("a.example", certificates_for({"a.example"}),
                                 tls::CertificateIndex::Need::now);
  TlsClient client(bench, "a.example", {"http/1.1"});
  REQUIRE(client.done());
  for (const char* path : {"/in", "/none"}) {
    INFO(path);
    const std::string answer = client.ask(get(path));
    const std::string wanted = "Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n";
    const std::size_t at = answer.find(wanted);
    CHECK(at != std::string::npos);
    CHECK(answer.find("Strict-Transport-Security", at + 1) == std::string::npos);
  }
  CHECK(bench.get("a.example", "/none").find("Strict-Transport-Security") == std::string::npos);
}

TEST_CASE("an error page stands in for our own words and keeps the status") {
  const gatehouse::test::TemporaryFolder folder;
  std::ofstream(folder / "403.html") << "<h1>No";
  config::Route route = responding("in");
  route.deny = {"192.0.2.0/24"};
  route.errors = {{"4xx", folder / "403.html"}};
  Bench bench(plain({route}));
  const std::string refused = from(bench, "192.0.2.1");
  CHECK(status(refused) == "403");
  CHECK(field(refused, "Content-Type") == "text/html; charset=utf-8");
  CHECK(field(refused, "Content-Length") == "6");
  CHECK(field(refused, "Cache-Control") == "no-store");
  CHECK(refused.ends_with("\r\n\r\n<h1>No"));
}

TEST_CASE("a site's error page stands in also where no route takes the request") {
  const gatehouse::test::TemporaryFolder folder;
  std::ofstream(folder / "404.html") << "<h1>Nothing";
  config::Config config = plain({responding("in", {"/app/*"})});
  config.sites[0].errors = {{"4xx", folder / "404.html"}};
  Bench bench(std::move(config));
  const std::string none = bench.get("a.example", "/other");
  CHECK(status(none) == "404");
  CHECK(none.ends_with("\r\n\r\n<h1>Nothing"));
  CHECK(bench.get("a.example", "/app/../%2e%2e/x/%zz").ends_with("\r\n\r\n<h1>Nothing"));
  CHECK(bench.get("a.example", "/app/").ends_with("in"));
  CHECK(bench.get("b.example", "/").find("Nothing") == std::string::npos);
}

TEST_CASE("a path that servers may read as another route's is refused, others go on") {
  config::Route admin = responding("admin", {"/admin/*"});
  config::Route files = responding("public", {"/public/*"});
  Bench bench(plain({admin, files, responding("rest")}));
  struct Row {
    const char* target;
    const char* body;  // null: 400
  };
  const Row rows[] = {
      {"/admin/x", "admin"},
      {"/public/../admin", "admin"},
      {"/public/%2e%2e/admin/x", "admin"},
      {"/public/a%2Fb", "public"},
      {"/public/a;b=c/d", "public"},
      {"/public//a", "public"},
      {"/x%2Fy", "rest"},
      {"/public/..%2fadmin", nullptr},
      {"/public/..;/admin", nullptr},
      {"/public/%252e%252e/admin", nullptr},
      {"/public\\..\\admin", nullptr},
      {"//admin/x", nullptr},
      {"/admin%2fx", nullptr},
      {"/admin;x", nullptr},
      {"/%2561dmin/x", nullptr},
      {"/public/%00", nullptr},
      {"/public/%zz", nullptr},
  };
  for (const Row& row : rows) {
    INFO(row.target);
    const std::string answer = bench.get("a.example", row.target);
    CHECK(status(answer) == (row.body ? "200" : "400"));
    if (row.body) CHECK(answer.ends_with(row.body));
  }
}

}  // namespace handlers_test
