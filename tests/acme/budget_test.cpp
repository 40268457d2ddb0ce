#include "acme/budget.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/support/keeper_bench.hpp"

namespace gatehouse::acme::budget_test {
namespace {

using namespace std::chrono_literals;
using config::TlsMode;
using test::KeeperBench;

const std::string lets_encrypt = "acme-v02.api.letsencrypt.org-directory";
const CaLimits* const limits = known_limits(lets_encrypt);
const Wall start(std::chrono::hours(500'000));

IssueFailure failed_validation() {
  IssueFailure failure;
  failure.failed_validation = true;
  failure.names_fault = true;
  return failure;
}

IssueFailure limited(Wall until, bool whole_ca, const std::string& detail = "slow down") {
  IssueFailure failure;
  failure.retry = Retry::at_time;
  failure.not_before = until;
  failure.whole_ca = whole_ca;
  failure.problem = "rateLimited";
  failure.detail = detail;
  return failure;
}

TEST_CASE("nothing spent stands against nothing, and unknown CAs have no numbers") {
  CHECK(open_from(Budget(), limits, {"a.example.com"}, start) <= start);
  CHECK(known_limits("ca.example-dir") == nullptr);
  Budget budget;
  for (int n = 0; n < 1000; ++n) {
    count_order(budget, nullptr, {"a.example.com"}, start);
    count_certificate(budget, nullptr, {"a.example.com"}, start);
    count_failure(budget, nullptr, {"a.example.com"}, failed_validation(), start);
  }
  CHECK(budget.full_again.empty());
  CHECK(open_from(budget, nullptr, {"a.example.com"}, start) <= start);
}

TEST_CASE("after five failed validations in an hour a name waits twelve minutes for the next try") {
  Budget budget;
  for (int n = 0; n < 5; ++n) {
    CHECK(open_from(budget, limits, {"a.example.com"}, start) <= start);
    count_failure(budget, limits, {"a.example.com"}, failed_validation(), start);
  }
  CHECK(open_from(budget, limits, {"a.example.com"}, start) == start + 12min);
  CHECK(open_from(budget, limits, {"a.example.com", Expense::Kind::renewal}, start) ==
        start + 12min);
  CHECK(open_from(budget, limits, {"b.example.com"}, start) <= start);
  CHECK(open_from(budget, limits, {"a.example.com"}, start + 12min) <= start + 12min);
}

TEST_CASE("fifty certificates of a registered domain hold up its next new name, not a renewal") {
  Budget budget;
  for (int n = 0; n < 50; ++n) {
    const Expense expense{"h" + std::to_string(n) + ".example.com"};
    CHECK(open_from(budget, limits, expense, start) <= start);
    count_certificate(budget, limits, expense, start);
  }
  const Wall next = open_from(budget, limits, {"new.example.com"}, start);
  CHECK(next > start + 3h);
  CHECK(next < start + 4h);
  CHECK(open_from(budget, limits, {"h1.example.com", Expense::Kind::renewal}, start) <= start);
  CHECK(open_from(budget, limits, {"new.example.org"}, start) <= start);
}

TEST_CASE("five certificates for the same names in a week hold up the sixth, renewal or not") {
  Budget budget;
  const Expense expense{"a.example.com", Expense::Kind::renewal};
  for (int n = 0; n < 5; ++n) count_certificate(budget, limits, expense, start);
  CHECK(open_from(budget, limits, expense, start) > start + 33h);
  CHECK(open_from(budget, limits, expense, start) < start + 34h);
}

TEST_CASE(
    "three hundred orders in three hours hold up new names for the time one takes to return") {
  Budget budget;
  for (int n = 0; n < 300; ++n)
    count_order(budget, limits, {std::to_string(n) + ".example"}, start);
  CHECK(open_from(budget, limits, {"a.example"}, start) == start + 36s);
  CHECK(open_from(budget, limits, {"a.example", Expense::Kind::renewal}, start) <= start);
}

TEST_CASE("what a CA says on its own limits holds for unknown CAs, too, and renewals go first") {
  Budget budget;
  const Expense first{"a.example.com"};
  const Expense renewal{"a.example.com", Expense::Kind::renewal};
  SUBCASE("for everything") {
    count_failure(budget, nullptr, first, limited(start + 1h, true), start);
    CHECK(open_from(budget, nullptr, renewal, start) == start + 1h);
    CHECK(open_from(budget, nullptr, first, start) == start + 1h + 1min);
    CHECK(open_from(budget, nullptr, {"b.example.org"}, start) == start + 1h + 1min);
    CHECK(open_from(budget, nullptr, first, start + 1h + 30s) == start + 1h + 1min);
  }
  SUBCASE("for one registered domain") {
    const auto failure =
        limited(start + 1h, false, "too many certificates already issued for \"example.com\"");
    count_failure(budget, nullptr, first, failure, start);
    CHECK(open_from(budget, nullptr, renewal, start) <= start);
    CHECK(open_from(budget, nullptr, {"b.example.com"}, start) == start + 1h + 1min);
    CHECK(open_from(budget, nullptr, {"b.example.org"}, start) <= start);
  }
  SUBCASE("for one set of names: its own back-off waits, not the neighbours") {
    const auto failure =
        limited(start + 1h, false, "too many for this exact set of identifiers: \"example.com\"");
    count_failure(budget, nullptr, {"example.com"}, failure, start);
    CHECK(open_from(budget, nullptr, {"b.example.com"}, start) <= start);
  }
}

TEST_CASE("a ledger forgets what is over, and two ledgers come to the later of each time") {
  Budget one;
  Budget other;
  count_failure(one, limits, {"a.example"}, failed_validation(), start);
  count_failure(other, limits, {"b.example"}, failed_validation(), start);
  count_failure(other, limits, {"a.example"}, failed_validation(), start + 5min);
  merge(one, other);
  CHECK(one.full_again.size() == 2);
  CHECK(one.full_again == other.full_again);
  tidy(one, start + 30min);
  CHECK(one.full_again.empty());
}

TEST_CASE("a ledger comes back from its text, and a damaged text is an error") {
  Budget budget;
  count_order(budget, limits, {"a.example"}, start);
  count_failure(budget, limits, {"a.example"}, limited(start + 1h, true), start);
  const auto again = budget_from_json(to_json(budget));
  REQUIRE(again.has_value());
  CHECK(again->full_again == budget.full_again);
  CHECK(again->closed_until == budget.closed_until);
  for (const char* bad :
       {"", "[]", "{}", R"({"full_again":{"orders":5},"closed_until":{}})",
        R"({"full_again":{"orders":"soon"},"closed_until":{}})", R"({"full_again":{}})"}) {
    CAPTURE(bad);
    CHECK(budget_from_json(bad).error().fault() == Fault::bad_message);
  }
}

/// A keeper whose one CA is known by its limits.
struct Bench : KeeperBench {
  Bench() { issuer = std::make_shared<test::FakeIssuer>(clock, lets_encrypt); }
  std::string path() const { return data_dir + "/acme/" + lets_encrypt + "/budget.json"; }
};

TEST_CASE("the keeper orders no name whose order would be refused, and goes on when it may") {
  Bench bench;
  bench.issuer->fail_for_ever = true;
  bench.issuer->failures = {failed_validation()};
  bench.issuer->failures.front().retry = Retry::now;
  bench.reconcile({bench.wanted("a.example")});
  CHECK(bench.issuer->requests.size() == 2);
  for (int minutes = 0; minutes < 11; ++minutes) bench.advance(1min);
  const std::size_t before = bench.issuer->requests.size();
  CHECK(before == 6);  // the ladder alone would have come to eight
  bench.restart();
  bench.reconcile({bench.wanted("a.example")});
  CHECK(bench.issuer->requests.size() == before);
  const auto text = PosixFileSystem().read(bench.path());
  REQUIRE(text.has_value());
  CHECK(text->find("failures a.example") != std::string::npos);
  bench.issuer->failures.clear();
  bench.advance(2h);
  CHECK(bench.outlet.served.contains("a.example"));
}

TEST_CASE("a CA's word that it is closed outlives a restart and covers names never asked for") {
  KeeperBench bench;
  bench.issuer->failures = {limited(bench.clock.wall() + 2h, true)};
  bench.reconcile({bench.wanted("a.example")});
  CHECK(bench.issuer->requests.size() == 1);
  bench.restart();
  bench.on_demand.allow = {"*.shop.example"};
  bench.reconcile({bench.wanted("b.example"), bench.wanted("*", TlsMode::on_demand)});
  CHECK(bench.issuer->requests.size() == 1);
  const auto answer = bench.ask_for("c.shop.example");
  bench.settle();
  REQUIRE(answer->done);
  CHECK(answer->result.error().fault() == Fault::limit);
  CHECK(answer->result.error().detail().find("rate limits") != std::string::npos);
  bench.advance(2h + 2min);
  CHECK(bench.outlet.served.contains("b.example"));
}

TEST_CASE("a damaged ledger is begun afresh, and stops nothing") {
  Bench bench;
  REQUIRE(bench.store->save_file("acme/" + lets_encrypt + "/budget.json", "{\"full").has_value());
  bench.reconcile({bench.wanted("a.example")});
  CHECK(bench.outlet.served.contains("a.example"));
  const auto budget = bench.store->load_budget(lets_encrypt);
  REQUIRE(budget.has_value());
  REQUIRE(budget->has_value());
  CHECK((*budget)->full_again.contains("names a.example"));
}

}  // namespace
}  // namespace gatehouse::acme::budget_test
