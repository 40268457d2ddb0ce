#include "core/http/client.hpp"

#include <doctest/doctest.h>

#include <boost/asio/detached.hpp>

#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_dialer.hpp"

namespace client_test {

using namespace gatehouse;
using namespace gatehouse::http;
using namespace gatehouse::test;
using namespace std::chrono_literals;

namespace {

struct Bench {
  FakeClock clock;
  asio::io_context io;
  net::DeadlineWheel wheel{clock};
  net::BufferPool pool;
  FakeDialer dialer{clock};
  HttpClient client{clock, dialer, wheel, pool, nullptr, Side::ca};

  void settle() {
    io.restart();
    io.poll();
  }
  /// The answer is there once `into` holds one.
  void fetch(HttpRequest request, FetchLimits limits, std::optional<Result<HttpResponse>>& into) {
    asio::co_spawn(io, run(std::move(request), limits, into), asio::detached);
    settle();
  }
  Result<HttpResponse> fetch(const std::string& method, const std::string& url,
                             const std::string& body = "", FetchLimits limits = {}) {
    HttpRequest request;
    request.method = method;
    request.url = *Url::parse(url);
    request.fields = {{"User-Agent", "test"}};
    request.body = body;
    std::optional<Result<HttpResponse>> answer;
    fetch(std::move(request), limits, answer);
    REQUIRE(answer.has_value());
    return *answer;
  }

 private:
  awaitable<void> run(HttpRequest request, FetchLimits limits,
                      std::optional<Result<HttpResponse>>& into) {
    auto answer = co_await client.fetch(std::move(request), limits);
    into = std::move(answer);
  }
};

const std::string ok = "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\nok";

/// The first two connections lead to servers that answer at once.
struct TwoServers : Bench {
  TwoServers() {
    first->send(ok);
    second->send(ok);
  }
  const std::shared_ptr<test::Script> first = dialer.lead();
  const std::shared_ptr<test::Script> second = dialer.lead();
};

}  // namespace

TEST_CASE("one request brings one whole answer") {
  Bench bench;
  const auto server = bench.dialer.lead();
  server->send("HTTP/1.1 103 Early Hints\r\n\r\n" + ok);
  const auto answer = bench.fetch("POST", "http://ca.example:14000/order?x=1", "{}");
  REQUIRE(answer.has_value());
  CHECK(answer->status == 200);
  CHECK(answer->body == "ok");
  CHECK(answer->find("x-a") == "b");
  CHECK(bench.dialer.dialled() == std::vector<std::string>{"ca.example:14000"});
  CHECK(server->written() ==
        "POST /order?x=1 HTTP/1.1\r\nHost: ca.example:14000\r\nUser-Agent: test\r\n"
        "Content-Length: 2\r\n\r\n{}");
}

TEST_CASE("a kept connection carries the next request to the same origin only") {
  TwoServers bench;
  CHECK(bench.fetch("GET", "http://one.example/").has_value());
  CHECK(bench.client.idle() == 1);
  CHECK(bench.fetch("GET", "http://two.example/").has_value());
  CHECK(bench.client.idle() == 2);
  // Sent earlier it would be an answer nobody asked for.
  bench.first->on_write([server = bench.first.get()](std::string_view) { server->send(ok); });
  CHECK(bench.fetch("GET", "http://one.example/again").has_value());
  CHECK(bench.dialer.dialled().size() == 2);
}

TEST_CASE("a connection that may have become a user's own is not kept") {
  Bench bench;
  bench.dialer.lead()->send(
      "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 2\r\n\r\nno");
  CHECK(bench.fetch("GET", "http://auth.example/").has_value());
  CHECK(bench.client.idle() == 0);
}

TEST_CASE("a kept connection that was closed or is too old is not used") {
  TwoServers bench;
  CHECK(bench.fetch("POST", "http://one.example/", "a").has_value());
  SUBCASE("closed") { bench.first->end(); }
  SUBCASE("old") { bench.clock.advance(21s); }
  SUBCASE("it spoke unasked") { bench.first->send("HTTP/1.1 408 Request Timeout\r\n\r\n"); }
  CHECK(bench.fetch("POST", "http://one.example/", "b").has_value());
  CHECK(bench.dialer.dialled().size() == 2);
  CHECK(bench.first->closed());
}

TEST_CASE("a kept connection that dies under a request costs one more try where that is safe") {
  TwoServers bench;
  CHECK(bench.fetch("GET", "http://one.example/").has_value());
  bench.first->cut_writes_after(bench.first->written().size());
  SUBCASE("GET goes once more") {
    CHECK(bench.fetch("GET", "http://one.example/").has_value());
    CHECK(bench.dialer.dialled().size() == 2);
  }
  SUBCASE("POST does not") {
    const auto answer = bench.fetch("POST", "http://one.example/", "a");
    REQUIRE(answer.has_error());
    CHECK(answer.error().fault() == Fault::closed);
    CHECK(answer.error().side() == Side::ca);
    CHECK(bench.dialer.dialled().size() == 1);
  }
}

TEST_CASE("a fresh connection that dies is an error that names the request") {
  Bench bench;
  bench.dialer.lead()->end();
  const auto answer = bench.fetch("GET", "http://one.example/x");
  REQUIRE(answer.has_error());
  CHECK(answer.error().fault() == Fault::closed);
  CHECK(answer.error().detail() == "GET http://one.example/x: closed before an answer");
  bench.dialer.refuse();
  const auto refused = bench.fetch("GET", "http://one.example/x");
  REQUIRE(refused.has_error());
  CHECK(refused.error().fault() == Fault::refused);
}

TEST_CASE("an answer over the limit is refused and its connection not kept") {
  Bench bench;
  bench.dialer.lead()->send(ok);
  FetchLimits limits;
  limits.body_bytes = 1;
  const auto answer = bench.fetch("GET", "http://one.example/", "", limits);
  REQUIRE(answer.has_error());
  CHECK(answer.error().fault() == Fault::limit);
  CHECK(bench.client.idle() == 0);
}

TEST_CASE("a silent server is waited for as long as the limits say") {
  Bench bench;
  const auto server = bench.dialer.lead();
  HttpRequest request;
  request.url = *Url::parse("http://one.example/");
  FetchLimits limits;
  limits.header = 5s;
  limits.total = 8s;
  std::optional<Result<HttpResponse>> answer;
  SUBCASE("no head") {
    bench.fetch(request, limits, answer);
    bench.clock.advance(4'999ms);
    bench.settle();
    CHECK_FALSE(answer.has_value());
    bench.clock.advance(1ms);
  }
  SUBCASE("no end of the body") {
    server->send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
    bench.fetch(request, limits, answer);
    bench.clock.advance(7'999ms);
    bench.settle();
    CHECK_FALSE(answer.has_value());
    bench.clock.advance(1ms);
  }
  bench.settle();
  REQUIRE(answer.has_value());
  CHECK(answer->error().fault() == Fault::timeout);
}

}  // namespace client_test
