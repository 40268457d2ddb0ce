#include "acme/reaction.hpp"

#include <doctest/doctest.h>

#include "acme/nonce_pool.hpp"

namespace reaction_test {

using namespace gatehouse;
using namespace gatehouse::acme;
using namespace std::chrono_literals;

namespace {

Problem problem(std::string type, int status, std::string detail = "no") {
  Problem out;
  out.type = std::move(type);
  out.status = status;
  out.detail = std::move(detail);
  return out;
}

struct Row {
  const char* type;
  int status;
  Doing doing;
  Reaction reaction;
  Retry retry;
};

}  // namespace

TEST_CASE("every problem type has its reaction and its place in the keeper's back-off") {
  const std::vector<Row> rows = {
      {"badNonce", 400, Doing::order, Reaction::resign, Retry::later},
      {"rateLimited", 429, Doing::order, Reaction::wait, Retry::at_time},
      {"serverInternal", 500, Doing::finalize, Reaction::later, Retry::later},
      {"accountDoesNotExist", 400, Doing::order, Reaction::recreate_account, Retry::later},
      {"unauthorized", 403, Doing::order, Reaction::stop, Retry::permanent},
      {"unauthorized", 403, Doing::account, Reaction::stop, Retry::permanent},
      {"unauthorized", 403, Doing::poll, Reaction::new_order, Retry::now},
      {"unauthorized", 403, Doing::finalize, Reaction::stop, Retry::permanent},
      {"unauthorized", 403, Doing::validation, Reaction::later, Retry::later},
      {"incorrectResponse", 0, Doing::validation, Reaction::later, Retry::later},
      {"connection", 0, Doing::validation, Reaction::later, Retry::later},
      {"dns", 0, Doing::validation, Reaction::later, Retry::later},
      {"dns", 400, Doing::order, Reaction::later, Retry::later},
      {"tls", 0, Doing::validation, Reaction::later, Retry::later},
      {"caa", 403, Doing::finalize, Reaction::stop, Retry::permanent},
      {"malformed", 404, Doing::poll, Reaction::new_order, Retry::now},
      {"malformed", 400, Doing::order, Reaction::stop, Retry::permanent},
      {"malformed", 400, Doing::respond, Reaction::refetch_order, Retry::later},
      {"orderNotReady", 403, Doing::finalize, Reaction::refetch_order, Retry::later},
      {"badCSR", 400, Doing::finalize, Reaction::new_key, Retry::permanent},
      {"badPublicKey", 400, Doing::account, Reaction::other_algorithm, Retry::permanent},
      {"badPublicKey", 400, Doing::finalize, Reaction::new_key, Retry::permanent},
      {"badSignatureAlgorithm", 400, Doing::account, Reaction::other_algorithm, Retry::permanent},
      {"rejectedIdentifier", 400, Doing::order, Reaction::stop, Retry::permanent},
      {"unsupportedIdentifier", 400, Doing::order, Reaction::stop, Retry::permanent},
      {"invalidContact", 400, Doing::account, Reaction::drop_contact, Retry::permanent},
      {"unsupportedContact", 400, Doing::account, Reaction::drop_contact, Retry::permanent},
      {"externalAccountRequired", 403, Doing::account, Reaction::stop, Retry::permanent},
      {"userActionRequired", 403, Doing::order, Reaction::stop, Retry::permanent},
      {"agreementRequired", 403, Doing::account, Reaction::stop, Retry::permanent},
      {"alreadyRevoked", 400, Doing::revoke, Reaction::already_done, Retry::later},
      {"badRevocationReason", 400, Doing::revoke, Reaction::drop_reason, Retry::permanent},
      {"invalidProfile", 400, Doing::order, Reaction::stop, Retry::permanent},
      {"conflict", 409, Doing::key_change, Reaction::stop, Retry::permanent},
      {"alreadyReplaced", 409, Doing::order, Reaction::stop, Retry::permanent},
      {"onionCAARequired", 403, Doing::order, Reaction::stop, Retry::permanent},
      {"neverHeardOf", 400, Doing::order, Reaction::stop, Retry::permanent},
      {"neverHeardOf", 500, Doing::order, Reaction::later, Retry::later},
      {"", 502, Doing::poll, Reaction::later, Retry::later},
      {"", 408, Doing::poll, Reaction::later, Retry::later},
      {"", 404, Doing::poll, Reaction::new_order, Retry::now},
      {"", 404, Doing::order, Reaction::stop, Retry::permanent},
      {"", 429, Doing::order, Reaction::wait, Retry::at_time},
      {"", 405, Doing::order, Reaction::stop, Retry::permanent},
  };
  for (const Row& row : rows) {
    CAPTURE(row.type);
    CAPTURE(row.status);
    CAPTURE(static_cast<int>(row.doing));
    const Problem said = problem(row.type, row.status);
    CHECK(react(said, row.doing) == row.reaction);
    CHECK(failure_of(CaError(row.doing, said, std::nullopt), Wall{}).retry == row.retry);
  }
}

TEST_CASE("problem types are compared case-sensitively") {
  CHECK(react(problem("BadNonce", 400), Doing::order) == Reaction::stop);
}

TEST_CASE("a busy front end is tried again at its time, or at the next step") {
  const Wall now{};
  const Problem busy = problem("", 503);
  const IssueFailure named = failure_of(CaError(Doing::order, busy, now + 30s), now);
  CHECK(named.retry == Retry::at_time);
  CHECK(named.not_before == now + 30s);
  CHECK(named.whole_ca);
  CHECK(failure_of(CaError(Doing::order, busy, std::nullopt), now).retry == Retry::later);
}

TEST_CASE("a paused identifier waits for a person") {
  const Problem paused =
      problem("rateLimited", 429, "a.example is currently paused, see https://x/unpause");
  CHECK(react(paused, Doing::order) == Reaction::stop);
}

TEST_CASE("a failure on the way to the CA is temporary and concerns the whole CA") {
  const CaError lost(Doing::order, Error(Fault::timeout, Side::ca, "no answer in time"));
  const IssueFailure failure = failure_of(lost, Wall{});
  CHECK(failure.retry == Retry::later);
  CHECK(failure.whole_ca);
  CHECK(failure.problem.empty());
}

TEST_CASE("a failure says whom it concerns") {
  const auto failure = [](const char* type, int status, Doing doing) {
    return failure_of(CaError(doing, problem(type, status), std::nullopt), Wall{});
  };
  CHECK(failure("connection", 0, Doing::validation).names_fault);
  CHECK(failure("caa", 403, Doing::finalize).names_fault);
  CHECK(failure("externalAccountRequired", 403, Doing::account).whole_ca);
  CHECK(failure("serverInternal", 500, Doing::poll).whole_ca);
  CHECK_FALSE(failure("rateLimited", 429, Doing::order).whole_ca);
  CHECK_FALSE(failure("badCSR", 400, Doing::finalize).whole_ca);
}

TEST_CASE("a compound problem names its names and lasts as long as its worst part") {
  Problem compound = problem("compound", 403);
  compound.subproblems = {{"dns", "no answer", "a.example"},
                          {"rejectedIdentifier", "policy", "b.example"}};
  IssueFailure failure = failure_of(CaError(Doing::order, compound, std::nullopt), Wall{});
  CHECK(failure.retry == Retry::permanent);
  CHECK(failure.names == std::vector<std::string>{"a.example", "b.example"});
  CHECK(failure.detail.find("b.example: rejectedIdentifier: policy") != std::string::npos);
  compound.subproblems.pop_back();
  failure = failure_of(CaError(Doing::order, compound, std::nullopt), Wall{});
  CHECK(failure.retry == Retry::later);
  compound.subproblems.clear();
  failure = failure_of(CaError(Doing::order, compound, std::nullopt), Wall{});
  CHECK(failure.retry == Retry::permanent);
}

TEST_CASE("nonces are taken newest first, ten at most, and not when they are old") {
  NoncePool pool;
  const Steady start{};
  for (int i = 0; i < 12; ++i) pool.put(std::to_string(i), start);
  CHECK(pool.size() == NoncePool::most);
  CHECK(pool.take(start) == "11");
  CHECK(pool.take(start + 1min) == "10");
  CHECK_FALSE(pool.take(start + 6min));
  CHECK(pool.size() == 0);
}

}  // namespace reaction_test
