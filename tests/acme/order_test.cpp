#include "acme/order.hpp"

#include <doctest/doctest.h>

namespace order_test {

using namespace gatehouse;
using namespace gatehouse::acme;
using namespace std::chrono_literals;

namespace {

OrderView view(OrderStatus status, std::vector<AuthorizationStatus> authorizations = {}) {
  OrderView out;
  out.order.status = status;
  out.order.finalize = "https://ca.example/f";
  for (const AuthorizationStatus each : authorizations) {
    Authorization authorization;
    authorization.url = "https://ca.example/z/" + std::to_string(out.authorizations.size());
    authorization.identifier = identifier_of("a.example");
    authorization.status = each;
    out.authorizations.push_back(authorization);
  }
  return out;
}

Challenge challenge(std::string type, ChallengeStatus status = ChallengeStatus::pending) {
  Challenge out;
  out.type = std::move(type);
  out.url = "https://ca.example/c";
  out.token = "token";
  out.status = status;
  return out;
}

using A = AuthorizationStatus;

}  // namespace

TEST_CASE("a pending order has its unanswered pending authorizations solved") {
  OrderView seen = view(OrderStatus::pending, {A::valid, A::pending, A::pending});
  OrderStep step = next_step(seen);
  REQUIRE(std::holds_alternative<Solve>(step));
  CHECK(std::get<Solve>(step).authorizations == std::vector<std::size_t>{1, 2});
  seen.answered = {seen.authorizations[1].url};
  step = next_step(seen);
  CHECK(std::get<Solve>(step).authorizations == std::vector<std::size_t>{2});
}

TEST_CASE("when all are answered the CA is waited for as long as it says") {
  OrderView seen = view(OrderStatus::pending, {A::valid, A::pending});
  seen.answered = {seen.authorizations[1].url};
  seen.order.retry_after = 3s;
  seen.authorizations[1].retry_after = 7s;
  const OrderStep step = next_step(seen);
  REQUIRE(std::holds_alternative<Wait>(step));
  CHECK(std::get<Wait>(step).what == Wait::For::authorizations);
  CHECK(std::get<Wait>(step).retry_after == 7s);
}

TEST_CASE("a pending order whose authorizations are all valid is waited for") {
  const OrderStep step = next_step(view(OrderStatus::pending, {A::valid}));
  REQUIRE(std::holds_alternative<Wait>(step));
  CHECK(std::get<Wait>(step).what == Wait::For::order);
}

TEST_CASE("a ready order is finalized, but never twice") {
  OrderView seen = view(OrderStatus::ready);
  CHECK(std::holds_alternative<Finalize>(next_step(seen)));
  seen.finalize_taken = true;
  CHECK(std::holds_alternative<Wait>(next_step(seen)));
}

TEST_CASE("a processing order is waited for, a valid one downloaded") {
  CHECK(std::holds_alternative<Wait>(next_step(view(OrderStatus::processing))));
  OrderView seen = view(OrderStatus::valid);
  seen.order.certificate = "https://ca.example/cert";
  const OrderStep step = next_step(seen);
  REQUIRE(std::holds_alternative<Download>(step));
  CHECK(std::get<Download>(step).url == "https://ca.example/cert");
  CHECK(std::holds_alternative<GiveUp>(next_step(view(OrderStatus::valid))));
}

TEST_CASE("an invalid authorization ends the order with its challenge's problem") {
  for (const OrderStatus status : {OrderStatus::pending, OrderStatus::invalid}) {
    OrderView seen = view(status, {A::expired, A::invalid});
    seen.authorizations[1].challenges = {challenge("tls-alpn-01"), challenge("http-01")};
    seen.authorizations[1].challenges[1].status = ChallengeStatus::invalid;
    seen.authorizations[1].challenges[1].error.emplace();
    seen.authorizations[1].challenges[1].error->type = "connection";
    const OrderStep step = next_step(seen);
    REQUIRE(std::holds_alternative<GiveUp>(step));
    const GiveUp& end = std::get<GiveUp>(step);
    CHECK(end.why == GiveUp::Why::refused);
    CHECK(end.challenge == "http-01");
    CHECK(end.name == "a.example");
    CHECK(end.error.problem->type == "connection");
    CHECK(end.error.doing == Doing::validation);
  }
}

TEST_CASE("what is over without anybody's fault is stale") {
  for (const A status : {A::deactivated, A::expired, A::revoked, A::unknown}) {
    const OrderStep step = next_step(view(OrderStatus::pending, {A::valid, status}));
    REQUIRE(std::holds_alternative<GiveUp>(step));
    CHECK(std::get<GiveUp>(step).why == GiveUp::Why::stale);
  }
  const OrderStep step = next_step(view(OrderStatus::unknown));
  CHECK(std::get<GiveUp>(step).why == GiveUp::Why::stale);
}

TEST_CASE("an order that failed while being issued tells the order's problem") {
  OrderView seen = view(OrderStatus::invalid, {A::valid});
  seen.order.error.emplace();
  seen.order.error->type = "caa";
  const OrderStep step = next_step(seen);
  REQUIRE(std::holds_alternative<GiveUp>(step));
  CHECK(std::get<GiveUp>(step).error.problem->type == "caa");
  CHECK(std::get<GiveUp>(step).error.doing == Doing::finalize);
}

TEST_CASE("the preferred challenge that has not failed is chosen") {
  Authorization authorization;
  authorization.challenges = {challenge("dns-01"), challenge("http-01"), challenge("tls-alpn-01")};
  const std::vector<std::string> both = {"tls-alpn-01", "http-01"};
  CHECK(choose_challenge(authorization, both, {})->type == "tls-alpn-01");
  CHECK(choose_challenge(authorization, both, {"tls-alpn-01"})->type == "http-01");
  CHECK(choose_challenge(authorization, both, {"http-01", "tls-alpn-01"})->type == "tls-alpn-01");
  CHECK(choose_challenge(authorization, {"dns-01"}, {}) == nullptr);
  // What is expected to be chosen is what is chosen where all is offered.
  const std::vector<std::vector<std::string>> failures = {
      {}, {"tls-alpn-01"}, {"http-01"}, {"http-01", "tls-alpn-01"}};
  for (const auto& failed : failures)
    CHECK(choose_challenge(authorization, both, failed)->type == first_choice(both, failed));
  CHECK(first_choice({}, {}).empty());
  authorization.challenges[2].status = ChallengeStatus::invalid;
  CHECK(choose_challenge(authorization, both, {})->type == "http-01");
  authorization.challenges[1].token.clear();
  CHECK(choose_challenge(authorization, both, {}) == nullptr);
}

TEST_CASE("a wildcard cannot be proven by http-01 or tls-alpn-01") {
  Authorization authorization;
  authorization.wildcard = true;
  authorization.challenges = {challenge("http-01")};
  CHECK(choose_challenge(authorization, {"http-01"}, {}) == nullptr);
}

}  // namespace order_test
