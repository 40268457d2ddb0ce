#include "proxy/serve/backend/vitals.hpp"

#include <doctest/doctest.h>

namespace vitals_test {

using namespace gatehouse;
using namespace gatehouse::serve::backend;
using namespace std::chrono_literals;
using Ejection = Vitals::Ejection;

namespace {

const Steady start = Steady(std::chrono::hours(1));

EjectRules three_in_ten_seconds() {
  EjectRules rules;
  rules.failures = 3;
  return rules;
}

}  // namespace

TEST_CASE("failures count towards ejection only within their window") {
  Vitals vitals;
  const EjectRules rules = three_in_ten_seconds();
  CHECK_FALSE(vitals.failed(rules, start));
  CHECK_FALSE(vitals.failed(rules, start + 1s));
  SUBCASE("three of them") { CHECK(vitals.failed(rules, start + 2s)); }
  SUBCASE("the third comes much later") { CHECK_FALSE(vitals.failed(rules, start + 25s)); }
  SUBCASE("across the border of two windows") {
    CHECK_FALSE(vitals.failed(rules, start + 18s));  // of the first two one fifth counts
    CHECK_FALSE(vitals.failed(rules, start + 19s));
    CHECK(vitals.failed(rules, start + 19s));
  }
}

TEST_CASE("an ejected server is half open when its time is up, and lets one request try") {
  Vitals vitals;
  CHECK(vitals.ejection(start) == Ejection::none);
  vitals.eject(start + 10s);
  CHECK(vitals.ejection(start + 9s) == Ejection::out);
  CHECK_FALSE(vitals.claim_probe(start + 9s, start + 19s));
  CHECK(vitals.ejection(start + 10s) == Ejection::half_open);
  CHECK(vitals.claim_probe(start + 10s, start + 20s));
  CHECK_FALSE(vitals.claim_probe(start + 10s, start + 20s));
  SUBCASE("it answers") {
    CHECK(vitals.recovered(start + 11s));
    CHECK(vitals.ejection(start + 11s) == Ejection::none);
    CHECK_FALSE(vitals.recovered(start + 11s));
  }
  SUBCASE("nothing is heard of it") {
    CHECK(vitals.ejection(start + 19s) == Ejection::out);
    CHECK(vitals.claim_probe(start + 20s, start + 30s));
  }
}

TEST_CASE("a server that came back is sent more and more until it has its whole share") {
  Vitals vitals;
  CHECK(vitals.share_percent(10s, start) == 100);  // never away
  vitals.back(start);
  CHECK(vitals.share_percent(10s, start) == 10);
  CHECK(vitals.share_percent(10s, start + 5s) == 50);
  CHECK(vitals.share_percent(10s, start + 10s) == 100);
  CHECK(vitals.share_percent(0s, start) == 100);
}

TEST_CASE("a server that active checks find up again starts slowly") {
  Vitals vitals;
  vitals.down(false, start);
  CHECK(vitals.share_percent(10s, start) == 100);
  vitals.down(true, start);
  CHECK(vitals.down());
  vitals.down(false, start + 1s);
  CHECK_FALSE(vitals.down());
  CHECK(vitals.share_percent(10s, start + 2s) == 10);
}

TEST_CASE("no more slots are given than there are") {
  Vitals vitals;
  CHECK(vitals.take_slot(2));
  CHECK(vitals.take_slot(2));
  CHECK_FALSE(vitals.take_slot(2));
  vitals.give_slot();
  CHECK(vitals.take_slot(2));
  CHECK(vitals.slots() == 2);
}

}  // namespace vitals_test
