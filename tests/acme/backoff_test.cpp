#include "acme/backoff.hpp"

#include <doctest/doctest.h>

namespace gatehouse::acme::backoff_test {
namespace {

using namespace std::chrono_literals;

const Wall start{std::chrono::seconds(1'767'225'600)};

IssueFailure failure_of(Retry retry) {
  IssueFailure failure;
  failure.retry = retry;
  failure.problem = "connection";
  failure.detail = "no route to the name";
  return failure;
}

TEST_CASE("the ladder climbs from a minute to six hours and stays there") {
  const std::vector<std::pair<std::uint32_t, std::chrono::seconds>> rows{
      {1, 1min},  {2, 2min},   {3, 2min},   {4, 5min},   {5, 10min}, {7, 10min},
      {8, 20min}, {11, 20min}, {12, 30min}, {17, 30min}, {18, 1h},   {20, 1h},
      {21, 2h},   {23, 3h},    {24, 3h},    {25, 6h},    {1000, 6h}};
  for (const auto& [attempts, wait] : rows) {
    const auto& shown = attempts;  // clang 14 captures no structured binding
    CAPTURE(shown);
    CHECK(ladder_step(attempts) == wait);
  }
}

TEST_CASE("temporary failures wait their step, a fifth more or less, and remember the first") {
  SystemEntropy entropy;
  Backoff backoff;
  for (std::uint32_t attempt = 1; attempt <= 200; ++attempt) {
    const Wall now = start + std::chrono::hours(attempt);
    backoff = after_failure(backoff, failure_of(Retry::later), now, entropy);
    CAPTURE(attempt);
    const auto step = ladder_step(attempt);
    CHECK(backoff.attempts == attempt);
    CHECK(backoff.next_attempt >= now + step * 8 / 10);
    CHECK(backoff.next_attempt <= now + step * 12 / 10);
  }
  CHECK(backoff.first_failure == start + 1h);
  CHECK(backoff.last_failure == start + 200h);
  CHECK(backoff.problem == "connection");
  CHECK(backoff.detail == "no route to the name");
  CHECK_FALSE(backoff.permanent);
}

TEST_CASE("a time that the CA named is kept, with at most a minute more") {
  SystemEntropy entropy;
  IssueFailure failure = failure_of(Retry::at_time);
  failure.not_before = start + 34h;
  const Backoff backoff = after_failure(Backoff(), failure, start, entropy);
  CHECK(backoff.next_attempt >= start + 34h);
  CHECK(backoff.next_attempt < start + 34h + 1min);
}

TEST_CASE("a rate limit without a time waits an hour") {
  SystemEntropy entropy;
  const Backoff backoff = after_failure(Backoff(), failure_of(Retry::at_time), start, entropy);
  CHECK(backoff.next_attempt >= start + 1h);
  CHECK(backoff.next_attempt < start + 1h + 1min);
}

TEST_CASE("what looks permanent is tried once a day after the first tries") {
  SystemEntropy entropy;
  Backoff backoff;
  backoff = after_failure(backoff, failure_of(Retry::permanent), start, entropy);
  CHECK(backoff.next_attempt <= start + 72s);
  backoff = after_failure(backoff, failure_of(Retry::permanent), start, entropy);
  CHECK(backoff.next_attempt <= start + 144s);
  for (int more = 0; more < 5; ++more) {
    backoff = after_failure(backoff, failure_of(Retry::permanent), start, entropy);
    CHECK(backoff.next_attempt >= start + 24h);
    CHECK(backoff.next_attempt <= start + 26h);
  }
  CHECK(backoff.permanent);
}

}  // namespace
}  // namespace gatehouse::acme::backoff_test
