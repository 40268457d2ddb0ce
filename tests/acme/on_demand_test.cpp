#include "acme/on_demand.hpp"

#include <doctest/doctest.h>

#include "acme/ask_http.hpp"
#include "acme/registered_domain.hpp"
#include "tests/support/keeper_bench.hpp"

namespace gatehouse::acme::on_demand_test {
namespace {

using namespace std::chrono_literals;
using config::TlsMode;
using test::issue_failure;
using test::KeeperBench;

/// A site for every name, opened by an allow list or an endpoint.
struct Bench : KeeperBench {
  void open() { reconcile({wanted("*", TlsMode::on_demand)}); }
  Error error_of(const std::string& host, const std::string& client = "192.0.2.1") {
    const auto answer = ask_for(host, client);
    settle();
    REQUIRE(answer->done);
    REQUIRE_FALSE(answer->result.has_value());
    return answer->result.error();
  }
  bool served(const std::string& host, const std::string& client = "192.0.2.1") {
    const auto answer = ask_for(host, client);
    settle();
    return answer->done && answer->result.has_value();
  }
};

TEST_CASE("names that no CA should certify for a stranger are refused by their look") {
  for (const char* bad :
       {"localhost", "shop", "a.local", "a.internal", "192.0.2.1", "2001:db8::1", "*.a.example.com",
        "UPPER.example.com", "a..example.com", "-a.example.com", "a_b.example.com",
        "www.www.example.com", "a.b.a.b.a.example.com", "a.b.c.d.e.f.g.h.i.example.com"}) {
    CAPTURE(bad);
    const auto checked = check_on_demand_name(bad);
    REQUIRE_FALSE(checked.has_value());
    CHECK(checked.error().fault() == Fault::denied);
  }
  for (const char* good : {"shop.example.com", "example.org", "a.b.example.com", "www.www.com",
                           "xn--bcher-kva.example.com"}) {
    CAPTURE(good);
    CHECK(check_on_demand_name(good).has_value());
  }
}

TEST_CASE("a pattern stands for one label") {
  CHECK(matches_pattern("*.example.com", "a.example.com"));
  CHECK_FALSE(matches_pattern("*.example.com", "a.b.example.com"));
  CHECK_FALSE(matches_pattern("*.example.com", "example.com"));
  CHECK(matches_pattern("a.example.com", "a.example.com"));
  CHECK_FALSE(matches_pattern("a.example.com", "b.example.com"));
}

TEST_CASE("clients are counted by their block, domains by the public suffix list") {
  CHECK(client_block(asio::ip::make_address("192.0.2.77")) == "192.0.2.0/24");
  CHECK(client_block(asio::ip::make_address("::ffff:192.0.2.77")) == "192.0.2.0/24");
  CHECK(client_block(asio::ip::make_address("2001:db8:1:2ff::1")) == "2001:db8:1:200::/56");
  CHECK(registered_domain("a.b.example.co.uk") == "example.co.uk");
  CHECK(registered_domain("example.com") == "example.com");
  CHECK(registered_domain("com") == "com");
  CHECK(registered_domain("192.0.2.1") == "192.0.2.1");
}

TEST_CASE("what is remembered ends in time, and the oldest leaves a full table") {
  Remembered<int> table(2);
  const Steady now{1h};
  table.put("a", 1, now + 10s);
  table.put("b", 2, now + 10s);
  REQUIRE(table.find("a", now) != nullptr);
  table.put("c", 3, now + 10s);
  CHECK(table.find("a", now) == nullptr);
  CHECK(table.size() == 2);
  CHECK(*table.find("c", now + 9s) == 3);
  CHECK(table.find("c", now + 10s) == nullptr);
  CHECK(table.size() == 1);
}

TEST_CASE("a rate lets its count through in its span, and a full table refuses strangers") {
  RateTable table(2);
  const config::Rate rate{2, config::Duration(60'000)};
  const Steady now{1h};
  for (int n = 0; n < 2; ++n) {
    REQUIRE(table.allows("a", rate, now));
    table.count("a", rate, now);
  }
  CHECK_FALSE(table.allows("a", rate, now + 59s));
  table.count("b", rate, now + 30s);
  CHECK(table.size() == 2);
  CHECK_FALSE(table.allows("c", rate, now + 59s));
  CHECK(table.allows("c", rate, now + 60s));  // "a" was idle and made room
  CHECK(table.size() == 1);
  table.count("a", rate, now + 60s);
  CHECK(table.allows("a", rate, now + 60s));
}

TEST_CASE("Cache-Control is read as RFC 9111 has it") {
  CHECK(max_age("max-age=60") == 60s);
  CHECK(max_age("private, Max-Age=5") == 5s);
  CHECK(max_age("no-store, max-age=60") == 0s);
  CHECK_FALSE(max_age("public").has_value());
  CHECK_FALSE(max_age("max-age=soon").has_value());
  CHECK_FALSE(max_age("").has_value());
}

TEST_CASE("an allowed name gets its certificate on its first handshake") {
  Bench bench;
  bench.on_demand.allow = {"*.example.com"};
  bench.open();
  CHECK(bench.served("a.example.com"));
  CHECK(bench.outlet.served.contains("a.example.com"));
  CHECK(bench.served("a.example.com"));
  CHECK(bench.issuer->requests.size() == 1);
  CHECK(bench.ask.urls.empty());
}

TEST_CASE("a local name that the operator lists may be certified, others not") {
  Bench bench;
  bench.on_demand.allow = {"*.corp.internal"};
  bench.open();
  CHECK(bench.served("shop.corp.internal"));
  CHECK(bench.error_of("shop.other.internal").fault() == Fault::denied);
}

TEST_CASE("a hundred handshakes for one new name make one order and one question") {
  Bench bench;
  bench.on_demand.ask = "http://127.0.0.1:9/ask";
  bench.open();
  std::vector<std::shared_ptr<KeeperBench::Answer>> answers;
  for (int n = 0; n < 100; ++n) answers.push_back(bench.ask_for("a.example.com"));
  bench.settle();
  for (const auto& answer : answers) {
    REQUIRE(answer->done);
    CHECK(answer->result.has_value());
  }
  CHECK(bench.issuer->requests.size() == 1);
  CHECK(bench.ask.urls.size() == 1);
}

TEST_CASE("a denied name makes no order, and the denial is remembered") {
  Bench bench;
  bench.on_demand.ask = "http://127.0.0.1:9/ask";
  bench.ask.answer.status = 404;
  bench.open();
  CHECK(bench.error_of("a.example.com").fault() == Fault::denied);
  CHECK(bench.ask.urls.size() == 1);
  CHECK(bench.error_of("a.example.com").fault() == Fault::denied);
  CHECK(bench.ask.urls.size() == 1);
  bench.advance(301s);
  CHECK(bench.error_of("a.example.com").fault() == Fault::denied);
  CHECK(bench.ask.urls.size() == 2);
  CHECK(bench.issuer->requests.empty());
  CHECK(bench.keeper->status().empty());
}

TEST_CASE("the endpoint's max-age says how long a denial holds") {
  Bench bench;
  bench.on_demand.ask = "http://127.0.0.1:9/ask";
  bench.ask.answer = {403, 10s};
  bench.open();
  bench.error_of("a.example.com");
  bench.ask.answer = {204, std::nullopt};
  bench.advance(9s);
  bench.error_of("a.example.com");
  CHECK(bench.ask.urls.size() == 1);
  bench.advance(2s);
  CHECK(bench.served("a.example.com"));
}

TEST_CASE("an endpoint that does not answer is a no") {
  Bench bench;
  bench.on_demand.ask = "http://127.0.0.1:9/ask?token=x";
  bench.ask.broken = true;
  bench.open();
  CHECK(bench.error_of("a.example.com").fault() == Fault::denied);
  CHECK(bench.issuer->requests.empty());
  REQUIRE(bench.ask.urls.size() == 1);
  CHECK(bench.ask.urls[0] ==
        "http://127.0.0.1:9/ask?token=x&domain=a.example.com&ip=192.0.2.1&reason=issue");
}

TEST_CASE("neither allow nor ask lets nobody in") {
  Bench bench;
  bench.open();
  CHECK(bench.error_of("a.example.com").fault() == Fault::denied);
  CHECK(bench.issuer->requests.empty());
}

TEST_CASE("the decision comes before storage, so that a disabled customer is not served on") {
  Bench bench;
  bench.on_demand.allow = {"*.example.com"};
  bench.open();
  REQUIRE(bench.served("a.example.com"));
  bench.restart();
  bench.on_demand.allow = {};
  bench.open();
  CHECK(bench.error_of("a.example.com").fault() == Fault::denied);
}

TEST_CASE("a stored on-demand certificate is loaded when asked for, without an order or a limit") {
  Bench bench;
  bench.on_demand.allow = {"*.example.com"};
  bench.open();
  REQUIRE(bench.served("a.example.com"));
  bench.restart();
  bench.on_demand.rate.count = 0;
  bench.open();
  CHECK(bench.outlet.served.empty());
  CHECK(bench.served("a.example.com"));
  CHECK(bench.issuer->requests.size() == 1);
}

TEST_CASE("each rate turns the name past it away") {
  Bench bench;
  bench.on_demand.allow = {"a.example.com", "b.example.com", "a.example.org"};
  const auto check_spent = [&](config::Rate& rate, const char* host, const char* client) {
    rate = {1, config::Duration(60'000)};
    bench.open();
    CHECK(bench.served("a.example.com", "192.0.2.1"));
    CHECK(bench.error_of(host, client).fault() == Fault::limit);
  };
  SUBCASE("all clients together") {
    check_spent(bench.on_demand.rate, "a.example.org", "198.51.100.1");
    bench.advance(61s);
  }
  SUBCASE("by registered domain") {
    check_spent(bench.on_demand.rate_per_domain, "b.example.com", "198.51.100.1");
  }
  SUBCASE("by client block") {
    check_spent(bench.on_demand.rate_per_client, "a.example.org", "192.0.2.200");
  }
  CHECK(bench.served("a.example.org", "198.51.100.1"));
}

TEST_CASE("past max_waiting a handshake is turned away") {
  Bench bench;
  bench.on_demand.allow = {"*.example.com"};
  bench.on_demand.max_waiting = 2;
  bench.issuer->hold = true;
  bench.open();
  const auto first = bench.ask_for("a.example.com");
  const auto second = bench.ask_for("a.example.com");
  bench.settle();
  CHECK(bench.keeper->waiting() == 2);
  CHECK(bench.error_of("a.example.com").fault() == Fault::limit);
  bench.issuer->let_go();
  bench.settle();
  CHECK(first->result.has_value());
  CHECK(second->result.has_value());
  CHECK(bench.keeper->waiting() == 0);
}

TEST_CASE("a handshake waits no longer than `wait`, and the order goes on") {
  Bench bench;
  bench.on_demand.allow = {"*.example.com"};
  bench.issuer->hold = true;
  bench.open();
  const auto answer = bench.ask_for("a.example.com");
  bench.settle();
  bench.advance(59s);
  CHECK_FALSE(answer->done);
  bench.advance(2s);
  REQUIRE(answer->done);
  CHECK(answer->result.error().fault() == Fault::timeout);
  bench.issuer->let_go();
  bench.settle();
  CHECK(bench.outlet.served.contains("a.example.com"));
  CHECK(bench.issuer->requests.size() == 1);
}

TEST_CASE("a failed on-demand order is not repeated by every handshake, nor after a restart") {
  Bench bench;
  bench.on_demand.allow = {"*.example.com"};
  bench.issuer->failures = {issue_failure(Retry::later)};
  bench.open();
  CHECK(bench.error_of("a.example.com").side() == Side::ca);
  CHECK(bench.error_of("a.example.com").side() == Side::ca);
  CHECK(bench.issuer->requests.size() == 1);
  bench.restart();
  bench.open();
  CHECK(bench.error_of("a.example.com").side() == Side::ca);
  CHECK(bench.issuer->requests.size() == 1);
  bench.advance(75s);
  CHECK(bench.served("a.example.com"));
  CHECK(bench.issuer->requests.size() == 2);
}

TEST_CASE("a renewal asks again, and a no lets the certificate run out") {
  Bench bench;
  bench.on_demand.ask = "http://127.0.0.1:9/ask";
  bench.open();
  REQUIRE(bench.served("a.example.com"));
  bench.ask.answer = {403, std::nullopt};
  bench.advance(24h * 65);
  CHECK(bench.ask.urls.back().ends_with("reason=renew"));
  CHECK(bench.issuer->requests.size() == 1);
  CHECK(bench.outlet.served.contains("a.example.com"));
  for (int days = 0; days < 26; ++days) bench.advance(24h);
  CHECK(bench.issuer->requests.size() == 1);
  CHECK_FALSE(bench.outlet.served.contains("a.example.com"));
  CHECK(bench.keeper->status().empty());
}

TEST_CASE("an on-demand certificate is renewed without anybody asking for it") {
  Bench bench;
  bench.on_demand.allow = {"*.example.com"};
  bench.open();
  REQUIRE(bench.served("a.example.com"));
  bench.advance(24h * 65);
  CHECK(bench.issuer->requests.size() == 2);
}

}  // namespace
}  // namespace gatehouse::acme::on_demand_test
