#include "acme/ask_http.hpp"

#include <doctest/doctest.h>

#include <boost/asio/detached.hpp>
#include <optional>

#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_dialer.hpp"
#include "tests/support/result.hpp"

namespace gatehouse::acme::ask_http_test {
namespace {

using namespace std::chrono_literals;

/// The endpoint is a script; the gate decides on what it answers.
struct Bench {
  Bench() {
    settings.ask = "http://127.0.0.1:9/check?key=1";
    gate.configure(settings);
  }
  void settle() {
    io.restart();
    io.poll();
  }
  std::shared_ptr<test::Script> answers(const std::string& octets) {
    auto script = dialer.lead();
    script->send(octets);
    return script;
  }
  std::optional<Result<AskAnswer>> asked(const std::string& url) {
    std::optional<Result<AskAnswer>> answer;
    const Steady deadline = clock.steady() + 5s;
    asio::co_spawn(io, run(ask.ask(url, deadline), answer), asio::detached);
    settle();
    return answer;
  }
  Result<void> decided(const std::string& host, const std::string& from = "192.0.2.1") {
    std::optional<Result<void>> answer;
    auto deciding = gate.decide(host, asio::ip::make_address(from), AskReason::issue);
    asio::co_spawn(io, run(std::move(deciding), answer), asio::detached);
    settle();
    REQUIRE(answer.has_value());
    return *answer;
  }
  template <class T>
  static awaitable<void> run(awaitable<Result<T>> work, std::optional<Result<T>>& into) {
    auto answer = co_await std::move(work);
    into.emplace(std::move(answer));
  }

  test::FakeClock clock;
  asio::io_context io;
  net::DeadlineWheel wheel{clock};
  net::BufferPool pool;
  test::FakeDialer dialer{clock};
  http::HttpClient client{clock, dialer, wheel, pool, nullptr, Side::server};
  HttpAsk ask{client, clock};
  config::OnDemand settings;
  OnDemandGate gate{clock, ask};
};

std::string reply(const std::string& status, const std::string& body = "",
                  const std::string& fields = "") {
  return "HTTP/1.1 " + status + "\r\n" + fields + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

TEST_CASE("the ask endpoint hears the name, the client and the reason, and its yes is a yes") {
  Bench bench;
  const auto server = bench.answers(reply("200 OK"));
  CHECK(bench.decided("shop.example.com").has_value());
  CHECK(server->written() ==
        "GET /check?key=1&domain=shop.example.com&ip=192.0.2.1&reason=issue HTTP/1.1\r\n"
        "Host: 127.0.0.1:9\r\n\r\n");
}

TEST_CASE("the ask endpoint's other statuses are a no that is remembered") {
  for (const char* status :
       {"404 Not Found", "403 Forbidden", "301 Moved Permanently", "500 Internal Server Error"}) {
    CAPTURE(status);
    Bench bench;
    bench.answers(reply(status));
    CHECK(bench.decided("shop.example.com").error().fault() == Fault::denied);
    CHECK(bench.decided("shop.example.com").error().fault() == Fault::denied);
    CHECK(bench.dialer.dialled().size() == 1);
  }
}

TEST_CASE("an ask endpoint that is down, or talks nonsense, is a no for ten seconds") {
  Bench bench;
  SUBCASE("refused") { bench.dialer.refuse(); }
  SUBCASE("broken off") {
    const auto server = bench.answers("HTTP/1.1 200 OK\r\nContent-Le");
    server->cut();
  }
  SUBCASE("no HTTP") { bench.answers("220 mail.example ESMTP\r\n\r\n"); }
  CHECK(bench.decided("shop.example.com").error().fault() == Fault::denied);
  bench.clock.advance(11s);
  bench.answers(reply("204 No Content"));
  CHECK(bench.decided("shop.example.com").has_value());
}

TEST_CASE("an ask endpoint that stays silent is given up at the deadline") {
  Bench bench;
  bench.dialer.lead();
  std::optional<Result<void>> answer;
  auto deciding = bench.gate.decide("shop.example.com", asio::ip::address(), AskReason::renew);
  asio::co_spawn(bench.io, Bench::run(std::move(deciding), answer), asio::detached);
  bench.settle();
  CHECK_FALSE(answer.has_value());
  bench.clock.advance(bench.settings.ask_timeout);
  bench.settle();
  REQUIRE(answer.has_value());
  CHECK(answer->error().fault() == Fault::denied);
  CHECK(answer->error().detail().find("ask failed") != std::string::npos);
}

TEST_CASE("an ask endpoint's huge answer is an error, and no more of it is read than allowed") {
  Bench bench;
  const auto server = bench.answers(reply("200 OK", std::string(10'000'000, 'x')));
  const auto answer = bench.asked("http://127.0.0.1:9/check");
  REQUIRE(answer.has_value());
  CHECK(answer->error().fault() == Fault::limit);
  CHECK(server->read_bytes() < 1'000'000);
}

TEST_CASE("max-age of an ask answer says for how long it holds") {
  Bench bench;
  bench.answers(reply("200 OK", "fine", "Cache-Control: private, max-age=300\r\n"));
  const auto answer = bench.asked("http://127.0.0.1:9/check");
  REQUIRE(answer.has_value());
  REQUIRE(answer->has_value());
  CHECK((*answer)->status == 200);
  CHECK((*answer)->max_age == 300s);
}

TEST_CASE("a URL that is none is an error before anybody is dialled") {
  Bench bench;
  const auto answer = bench.asked("gopher:check");
  REQUIRE(answer.has_value());
  CHECK_FALSE(answer->has_value());
  CHECK(bench.dialer.dialled().empty());
}

TEST_CASE("a name cannot add to the query of the ask URL") {
  Bench bench;
  const auto server = bench.answers(reply("200 OK"));
  CHECK(bench.decided("a&ip=10.0.0.1 #%.example", "2001:db8::1").has_value());
  CHECK(
      server->written().starts_with("GET /check?key=1&domain=a%26ip%3d10.0.0.1%20%23%25.example"
                                    "&ip=2001:db8::1&reason=issue HTTP/1.1\r\n"));
}

}  // namespace
}  // namespace gatehouse::acme::ask_http_test
