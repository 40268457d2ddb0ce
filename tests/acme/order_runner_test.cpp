#include "acme/order_runner.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "core/tls/certificate.hpp"
#include "tests/support/ca_bench.hpp"

namespace order_runner_test {

using namespace gatehouse;
using namespace gatehouse::acme;
using namespace std::chrono_literals;
using test::CaBench;
using test::FakeCa;
using test::Lifeline;

namespace {

tls::CertificatePointer parsed(const IssueOutcome& outcome) {
  const auto certificate =
      tls::Certificate::parse(outcome->certificate->chain_pem(), outcome->key_pem);
  REQUIRE(certificate.has_value());
  return *certificate;
}

}  // namespace

TEST_CASE("an order becomes a certificate for all its names") {
  CaBench bench;
  const IssueOutcome outcome = bench.issue();
  REQUIRE(outcome);
  const auto certificate = parsed(outcome);
  CHECK(certificate->covers("a.example"));
  CHECK(certificate->covers("b.example"));
  CHECK(outcome->ca == "ca.example-dir");
  CHECK(bench.ca.accounts_made == 1);
  CHECK(bench.ca.orders_made == 1);
  CHECK(bench.ca.finalize_calls == 1);
  CHECK(bench.ca.responses == 2);
  CHECK(bench.lost_keys == 0);
  CHECK(bench.ca.last_contact == std::vector<std::string>{"mailto:admin@a.example"});
  CHECK(bench.ca.complaints == std::vector<std::string>{});
  // tls-alpn-01 was preferred, and nothing is left standing.
  CHECK(bench.outlet.presented == 2);
  CHECK(bench.outlet.tls.empty());
  CHECK(bench.outlet.http.empty());
}

TEST_CASE("an order is written down before it is made and when its URL is known, and that is all") {
  CaBench bench;
  int expected = 2;
  std::string kind = "tls-alpn-01";
  SUBCASE("where the CA offers what is preferred") {}
  SUBCASE("but for the kind of challenge, where the CA does not offer the preferred one") {
    bench.ca.challenge_types = {"http-01"};
    expected = 3;
    kind = "http-01";
  }
  CHECK(bench.issue());
  CHECK(bench.store.order_writes == expected);
  CHECK(bench.stored_order()->challenge == kind);
}

TEST_CASE("http-01 is answered with the key authorization when it is preferred") {
  CaBench bench;
  IssueRequest request = CaBench::request();
  request.challenges = {"http-01"};
  CHECK(bench.issue(request));
  CHECK(bench.ca.responses == 2);
  CHECK(bench.ca.complaints == std::vector<std::string>{});
}

TEST_CASE("the answer stands until the authorization is final") {
  CaBench bench;
  bench.ca.pending_polls = 5;
  std::size_t least = 1;
  bench.ca.on_finalize = [&](const std::string&) { least = bench.outlet.tls.size(); };
  CHECK(bench.issue());
  CHECK(least == 2);
  CHECK(bench.outlet.tls.empty());
}

TEST_CASE("an IP address is proven under its reverse name and asked for as shortlived") {
  CaBench bench;
  bench.ca.profiles = {"classic", "shortlived"};
  std::vector<std::string> asked;
  bench.ca.validate = [&](const std::string&, const std::string& name, const std::string&,
                          const std::string&) {
    asked.push_back(name);
    return bench.outlet.tls.contains("1.2.0.192.in-addr.arpa");
  };
  const IssueOutcome outcome = bench.issue(CaBench::request({"192.0.2.1"}));
  REQUIRE(outcome);
  CHECK(asked == std::vector<std::string>{"192.0.2.1"});
  CHECK(parsed(outcome)->covers("192.0.2.1"));
  CHECK(bench.stored_order("192.0.2.1")->profile == "shortlived");
}

TEST_CASE("an authorization that is valid already is not touched") {
  CaBench bench;
  bench.ca.reuse_valid = true;
  CHECK(bench.issue());
  CHECK(bench.ca.responses == 0);
  CHECK(bench.outlet.presented == 0);
  CHECK(bench.ca.complaints == std::vector<std::string>{});
}

TEST_CASE("a CA that takes its time is polled until it is done") {
  CaBench bench;
  bench.ca.pending_polls = 8;
  bench.ca.processing_polls = 8;
  CHECK(bench.issue());
  CHECK(bench.ca.finalize_calls == 1);
  CHECK(bench.ca.complaints == std::vector<std::string>{});
}

TEST_CASE("Retry-After is obeyed while an order is processed") {
  CaBench bench;
  bench.ca.reuse_valid = true;
  bench.ca.processing_polls = 3;
  SUBCASE("in seconds") { bench.ca.retry_after = "40"; }
  SUBCASE("as a date") { bench.ca.retry_after = "Thu, 01 Jan 2026 00:01:00 GMT"; }
  const Steady start = bench.clock.steady();
  CHECK(bench.issue());
  CHECK(bench.clock.steady() - start >= 55s);
  CHECK(bench.ca.count("poll") < 16);
}

TEST_CASE("an order that takes longer than patience is kept and taken up again") {
  CaBench bench;
  bench.ca.processing_polls = 1000;
  const IssueOutcome slow = bench.issue();
  REQUIRE_FALSE(slow);
  CHECK(slow.error().retry == Retry::at_time);
  CHECK(slow.error().not_before > bench.clock.wall());
  CHECK(bench.outlet.tls.empty());
  REQUIRE(bench.stored_order());
  CHECK_FALSE(bench.stored_order()->url.empty());
  bench.new_life();
  // The CA is done by now.
  while (bench.ca.issued == 0) bench.run(bench.client->order(bench.stored_order()->url));
  CHECK(bench.issue());
  CHECK(bench.ca.orders_made == 1);
  CHECK(bench.ca.finalize_calls == 1);
  CHECK(bench.ca.accounts_made == 1);
}

TEST_CASE("a failed challenge ends the order, and the next attempt uses another kind") {
  CaBench bench;
  bench.validation_fails_for = {"tls-alpn-01"};
  const IssueOutcome first = bench.issue();
  REQUIRE_FALSE(first);
  CHECK(first.error().retry == Retry::now);
  CHECK(first.error().problem == "unauthorized");
  CHECK(first.error().names_fault);
  CHECK(first.error().names.size() == 1);
  CHECK(first.error().detail.find("tls-alpn-01") != std::string::npos);
  // A terminal escape from the CA's mouth does not reach the log.
  CHECK(first.error().detail.find('\x1b') == std::string::npos);
  CHECK_FALSE(bench.stored_order());
  CHECK(bench.outlet.tls.empty());

  bench.new_life();
  CHECK(bench.issue());
  CHECK(bench.ca.orders_made == 2);
  CHECK(bench.ca.accounts_made == 1);
  CHECK(bench.ca.complaints == std::vector<std::string>{});
  CHECK(bench.store.orders.begin()->second.failed_challenges.empty());
}

TEST_CASE("when every kind has failed the round begins anew after a back-off") {
  CaBench bench;
  bench.validation_fails_for = {"tls-alpn-01", "http-01"};
  CHECK(bench.issue().error().retry == Retry::now);
  CHECK(bench.issue().error().retry == Retry::later);
  CHECK(bench.store.orders.begin()->second.failed_challenges.empty());
  CHECK(bench.ca.responses <= 4);
}

TEST_CASE("what a failed order leaves pending is deactivated") {
  CaBench bench;
  bench.ca.validate = [&](const std::string&, const std::string& name, const std::string&,
                          const std::string&) { return name != "a.example"; };
  bench.ca.pending_polls = 0;
  IssueRequest request = CaBench::request();
  const IssueOutcome outcome = bench.issue(request);
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().names == std::vector<std::string>{"a.example"});
  CHECK(bench.ca.complaints == std::vector<std::string>{});
}

TEST_CASE("a name for which no challenge can be answered fails until something changes") {
  CaBench bench;
  SUBCASE("because the CA offers none of ours") { bench.ca.challenge_types = {"dns-01"}; }
  SUBCASE("because it only offers one without a token") {
    bench.ca.challenge_types = {"dns-persist-01"};
  }
  SUBCASE("because it offers none at all") { bench.ca.challenge_types = {}; }
  const IssueOutcome outcome = bench.issue();
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().retry == Retry::permanent);
  CHECK_FALSE(outcome.error().names.empty());
  CHECK_FALSE(bench.stored_order());
}

TEST_CASE("a certificate that is not what was asked for is never accepted") {
  CaBench bench;
  SUBCASE("another key") { bench.ca.certificate_is = FakeCa::Wrong::key; }
  SUBCASE("other names") { bench.ca.certificate_is = FakeCa::Wrong::names; }
  SUBCASE("expired") { bench.ca.certificate_is = FakeCa::Wrong::expired; }
  SUBCASE("a chain that does not link") { bench.ca.certificate_is = FakeCa::Wrong::chain; }
  SUBCASE("a chain that cannot be served") { bench.ca.certificate_is = FakeCa::Wrong::weak_issuer; }
  const IssueOutcome outcome = bench.issue();
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().retry == Retry::later);
  CHECK_FALSE(outcome.error().whole_ca);
  CHECK_FALSE(bench.stored_order());
  bench.ca.certificate_is = FakeCa::Wrong::nothing;
  CHECK(bench.issue());
}

TEST_CASE("the preferred chain is chosen among the alternates") {
  CaBench bench;
  bench.ca.alternate_chain = true;
  IssueRequest request = CaBench::request();
  SUBCASE("when it is offered") {
    request.preferred_chain = "Other Root";
    const IssueOutcome outcome = bench.issue(request);
    REQUIRE(outcome);
    CHECK(parsed(outcome)->last_issuer_common_name() == "Other Root");
  }
  SUBCASE("and the default stays when it is not") {
    request.preferred_chain = "Root Of Another Age";
    const IssueOutcome outcome = bench.issue(request);
    REQUIRE(outcome);
    CHECK(parsed(outcome)->last_issuer_common_name() == "Fake Root");
  }
}

TEST_CASE("every certificate has a new key unless the old one is to be kept") {
  CaBench bench;
  const IssueOutcome first = bench.issue();
  REQUIRE(first);
  bench.store.orders.clear();
  IssueRequest request = CaBench::request();
  SUBCASE("a new one") {
    const IssueOutcome second = bench.issue(request);
    REQUIRE(second);
    CHECK(second->key_pem != first->key_pem);
  }
  SUBCASE("the old one") {
    request.reuse_key = true;
    request.previous_key_pem = first->key_pem;
    const IssueOutcome second = bench.issue(request);
    REQUIRE(second);
    CHECK(second->key_pem == first->key_pem);
  }
  CHECK(bench.ca.accounts_made == 1);
}

TEST_CASE("a key that the CA refuses is replaced once within the same order") {
  CaBench bench;
  bench.ca.refuse_next("finalize", 400, "badCSR", "this key was seen on the street");
  CHECK(bench.issue());
  CHECK(bench.ca.orders_made == 1);
  CHECK(bench.lost_keys == 0);
  SUBCASE("and not a second time") {
    bench.store.orders.clear();
    bench.ca.refuse_next("finalize", 400, "badCSR");
    bench.ca.refuse_next("finalize", 400, "badCSR");
    CHECK(bench.issue().error().retry == Retry::permanent);
  }
}

TEST_CASE("a stored order that the CA has forgotten is replaced by a new one at once") {
  CaBench bench;
  bench.ca.processing_polls = 1000;
  CHECK_FALSE(bench.issue());
  bench.ca.processing_polls = 0;
  bench.ca.forget_orders();
  bench.new_life();
  CHECK(bench.issue());
  CHECK(bench.ca.orders_made == 2);
  CHECK(bench.ca.accounts_made == 1);
}

TEST_CASE("an order for other names than the stored one begins anew") {
  CaBench bench;
  bench.ca.processing_polls = 1000;
  CHECK_FALSE(bench.issue());
  bench.ca.processing_polls = 0;
  const IssueOutcome outcome = bench.issue(CaBench::request({"a.example"}));
  REQUIRE(outcome);
  CHECK_FALSE(parsed(outcome)->covers("b.example"));
}

TEST_CASE("an order that is still not ready is looked at again, not finalized blindly") {
  CaBench bench;
  bench.ca.refuse_next("finalize", 403, "orderNotReady");
  CHECK(bench.issue());
  CHECK(bench.ca.finalize_calls == 1);
  CHECK(bench.ca.complaints == std::vector<std::string>{});
}

TEST_CASE("a connection lost at any request is survived within the same order") {
  for (const char* operation : {"poll", "respond", "finalize", "certificate"}) {
    for (const Lifeline::At at : {Lifeline::At::before, Lifeline::At::after}) {
      CAPTURE(operation);
      CaBench bench;
      bench.ca.drop_next(operation, at);
      CHECK(bench.issue());
      CHECK(bench.ca.orders_made == 1);
      CHECK(bench.ca.issued == 1);
      CHECK(bench.ca.complaints == std::vector<std::string>{});
    }
  }
}

TEST_CASE("a rate limit names the time before which nothing is tried") {
  CaBench bench;
  const Wall now = bench.clock.wall();
  SUBCASE("in Retry-After") {
    bench.ca.refuse_next("order", 429, "rateLimited", "slow down", "7200");
    const IssueOutcome outcome = bench.issue();
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().retry == Retry::at_time);
    CHECK(outcome.error().not_before == now + 2h);
  }
  SUBCASE("in words") {
    bench.ca.refuse_next("order", 429, "rateLimited",
                         "too many certificates, retry after 2026-01-02 03:04:05 UTC: see x");
    CHECK(bench.issue().error().not_before == now + 24h + 3h + 4min + 5s);
  }
  SUBCASE("not at all: an hour") {
    bench.ca.refuse_next("order", 429, "rateLimited", "slow down");
    CHECK(bench.issue().error().not_before == now + 1h);
  }
  SUBCASE("paused: until someone acts") {
    bench.ca.refuse_next("order", 429, "rateLimited", "paused, see https://ca.example/unpause");
    CHECK(bench.issue().error().retry == Retry::permanent);
  }
  CHECK(bench.ca.orders_made == 0);
  // The key made for it is used by the next attempt.
  REQUIRE(bench.stored_order());
  CHECK_FALSE(bench.stored_order()->key_pem.empty());
}

TEST_CASE("no order is made when storage cannot be written") {
  CaBench bench;
  bench.store.full = true;
  const IssueOutcome outcome = bench.issue();
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().retry == Retry::later);
  CHECK(bench.ca.accounts_made == 0);
  bench.store.full = false;
  CHECK(bench.issue());
  bench.store.orders.clear();
  bench.store.full = true;
  CHECK_FALSE(bench.issue());
  CHECK(bench.ca.orders_made == 1);
}

TEST_CASE("a CA that never answers is given up after a while") {
  CaBench bench;
  CHECK(bench.run(bench.client->account("")));
  bench.ca.silent = true;
  const Steady start = bench.clock.steady();
  const IssueOutcome outcome = bench.issue();
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().retry == Retry::later);
  CHECK(outcome.error().whole_ca);
  CHECK(bench.clock.steady() - start < 5min);
}

TEST_CASE("nonsense from a CA is an error, never a crash or a certificate") {
  struct Hostile {
    const char* operation;
    int status;
    std::string body;
  };
  const std::string deep = std::string(100'000, '[');
  const std::vector<Hostile> all = {
      {"directory", 200, "<html>"},
      {"directory", 200, deep},
      {"directory", 200, R"({"newNonce":"http://plain.example/"})"},
      {"order", 201, "[]"},
      {"order", 201, R"({"status":"pending"})"},
      {"order", 502, "<html><h1>Bad Gateway</h1></html>"},
      {"account", 201, "{}"},
      {"certificate", 200, "no certificate"},
      {"certificate", 200, std::string(5'000'000, 'x')},
  };
  for (const Hostile& hostile : all) {
    CAPTURE(hostile.operation);
    CAPTURE(hostile.body.substr(0, 40));
    CaBench bench;
    CaReply reply;
    reply.status = hostile.status;
    reply.body = hostile.body;
    for (int i = 0; i < 200; ++i) bench.ca.answer_next(hostile.operation, reply);
    const IssueOutcome outcome = bench.issue();
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().retry == Retry::later);
    CHECK(outcome.error().detail.size() < 2000);
    CHECK(bench.outlet.tls.empty());
  }
}

TEST_CASE("an order that is cancelled withdraws its answers") {
  CaBench bench;
  bench.ca.pending_polls = 1000;
  asio::cancellation_signal stop;
  std::exception_ptr thrown;
  bool done = false;
  const auto ended = [&](std::exception_ptr failure, const IssueOutcome&) {
    thrown = failure;
    done = true;
  };
  asio::co_spawn(bench.io, bench.issuer->issue(CaBench::request()),
                 asio::bind_cancellation_slot(stop.slot(), ended));
  bench.settle();
  CHECK(bench.outlet.tls.size() == 2);
  stop.emit(asio::cancellation_type::terminal);
  bench.settle();
  CHECK(done);
  CHECK(thrown != nullptr);
  CHECK(bench.outlet.tls.empty());
  CHECK(bench.clock.sleepers() == 0);
  bench.ca.pending_polls = 0;
  CHECK(bench.stored_order());
}

TEST_CASE("killed at any step, the next life finishes without a second account or a lost key") {
  int most = 0;
  {
    CaBench whole;
    REQUIRE(whole.issue());
    most = whole.life.steps();
  }
  REQUIRE(most > 15);
  for (int step = 1; step <= most; ++step) {
    for (const Lifeline::At at : {Lifeline::At::before, Lifeline::At::after}) {
      CAPTURE(step);
      CAPTURE(static_cast<int>(at));
      CaBench bench;
      bench.life.cut(step, at);
      const IssueOutcome first = bench.issue();
      CHECK_FALSE(bench.life.alive());
      bench.new_life();
      const IssueOutcome second = bench.issue();
      REQUIRE(second);
      CHECK(parsed(second)->covers("a.example"));
      CHECK(bench.ca.accounts_made == 1);
      CHECK(bench.ca.issued == 1);
      CHECK(bench.lost_keys == 0);
      // Only a reply to newOrder that was lost on the way costs another one.
      CHECK(bench.ca.orders_made <= 2);
      CHECK(bench.store.archived.empty());
      CHECK(bench.ca.complaints == std::vector<std::string>{});
    }
  }
}

}  // namespace order_runner_test
