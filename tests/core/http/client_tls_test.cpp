#include <doctest/doctest.h>

#include <boost/asio/detached.hpp>
#include <fstream>

#include "core/http/client.hpp"
#include "core/http/h1_client.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_dialer.hpp"
#include "tests/support/result.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/test_certificates.hpp"
#include "tests/support/tls_server.hpp"

namespace client_tls_test {

using namespace gatehouse;
using namespace gatehouse::http;
using namespace gatehouse::test;

namespace {

/// A client of ours and a real TLS server, joined in memory.
struct Bench {
  explicit Bench(std::vector<std::string> names = {"ca.example"})
      : server(std::make_shared<TlsServer>(server_certificate(names))) {
    std::ofstream(folder / "root.pem") << test_root().certificate_pem();
    tls::ClientPolicy::Settings settings;
    settings.roots_file = folder / "root.pem";
    settings.alpn = {"http/1.1"};
    policy = tls::ClientPolicy::make(settings).value();
    client.emplace(clock, dialer, wheel, pool, policy, Side::ca);
  }
  void settle() {
    io.restart();
    io.poll();
  }
  /// The server waits at the far end of `script`.
  void serve(const std::shared_ptr<Script>& script) {
    const auto far = std::make_shared<Script>();
    join(script, far);
    const H1Worker lent{clock, pool, date};
    asio::co_spawn(io, TlsServer::serve(server, std::make_unique<ScriptedStream>(far, clock), lent),
                   asio::detached);
  }
  Result<HttpResponse> fetch(const std::string& url) {
    HttpRequest request;
    request.url = *Url::parse(url);
    std::optional<Result<HttpResponse>> answer;
    asio::co_spawn(io, run(std::move(request), answer), asio::detached);
    settle();
    REQUIRE(answer.has_value());
    return *answer;
  }
  /// A connection whose handshake is done and that has read nothing since.
  std::unique_ptr<H1ClientConnection> connect() {
    near = std::make_shared<Script>();
    serve(near);
    std::unique_ptr<H1ClientConnection> made;
    asio::co_spawn(io, shake(std::make_unique<ScriptedStream>(near, clock, Side::server), made),
                   asio::detached);
    settle();
    REQUIRE(made != nullptr);
    return made;
  }
  std::string ask(H1ClientConnection& connection) {
    std::string body;
    asio::co_spawn(io, exchange(connection, body), asio::detached);
    settle();
    return body;
  }

  TemporaryFolder folder;
  FakeClock clock;
  net::BufferPool pool;
  HttpDate date{clock};
  asio::io_context io;
  net::DeadlineWheel wheel{clock};
  FakeDialer dialer{clock};
  std::shared_ptr<TlsServer> server;
  std::shared_ptr<const tls::ClientPolicy> policy;
  std::optional<HttpClient> client;
  std::shared_ptr<Script> near;  // of the last connect()

 private:
  awaitable<void> run(HttpRequest request, std::optional<Result<HttpResponse>>& into) {
    auto answer = co_await client->fetch(std::move(request));
    into = std::move(answer);
  }
  awaitable<void> shake(std::unique_ptr<net::Stream> under,
                        std::unique_ptr<H1ClientConnection>& into) {
    auto stream = co_await tls::connect_tls(std::move(under), policy, "ca.example");
    if (stream) into = std::make_unique<H1ClientConnection>(std::move(*stream), pool);
  }
  static awaitable<void> exchange(H1ClientConnection& connection, std::string& body) {
    RequestHead request;
    request.method = "GET";
    request.path = "/";
    request.authority = "ca.example";
    const auto sent = co_await connection.send_head(request);
    if (!sent) co_return;
    const auto head = co_await connection.read_head();
    if (!head) co_return;
    for (bool last = false; !last;) {
      auto piece = co_await connection.read_body();
      if (!piece) co_return;
      body += piece->bytes;
      last = piece->last;
    }
    connection.rest();
  }
};

}  // namespace

TEST_CASE("a fetch over TLS names the server, and its connection carries the next fetch") {
  Bench bench;
  bench.serve(bench.dialer.lead());
  for (int i = 0; i < 3; ++i) {
    const auto answer = bench.fetch("https://ca.example/directory");
    REQUIRE(answer);
    CHECK(answer->body == "over TLS");
  }
  CHECK(bench.dialer.dialled() == std::vector<std::string>{"ca.example:443"});
  CHECK(bench.server->names == std::vector<std::string>{"ca.example"});
  CHECK(bench.server->handshakes == 1);
  CHECK(bench.server->requests == 3);
}

TEST_CASE("a fetch from a server that proves to be another is refused before anything is asked") {
  Bench bench({"other.example"});
  bench.serve(bench.dialer.lead());
  const auto answer = bench.fetch("https://ca.example/directory");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().side() == Side::ca);
  CHECK(answer.error().detail() ==
        "GET https://ca.example/directory: "
        "TLS handshake: certificate verify failed: hostname mismatch");
  CHECK(bench.server->requests == 0);
}

TEST_CASE("session tickets that arrive on an idle connection do not make it stale") {
  Bench bench;
  const auto connection = bench.connect();
  REQUIRE(bench.near->unread() > 0);  // tickets: the server had nothing else to say
  CHECK(connection->quiet());
  CHECK(bench.near->unread() == 0);
  CHECK(bench.ask(*connection) == "over TLS");
  CHECK(connection->reusable());
  CHECK(connection->quiet());
  SUBCASE("but the server's end does") { bench.near->end(); }
  SUBCASE("and a broken connection does") { bench.near->cut(); }
  CHECK_FALSE(connection->quiet());
}

}  // namespace client_tls_test
