#include "acme/order.hpp"
#include "core/base/contains.hpp"

#include <algorithm>

namespace gatehouse::acme {
namespace {

std::optional<std::chrono::seconds> longer(std::optional<std::chrono::seconds> a,
                                           std::optional<std::chrono::seconds> b) {
  if (!a || !b) return a ? a : b;
  return std::max(*a, *b);
}

GiveUp stale(std::string why) {
  GiveUp step;
  step.why = GiveUp::Why::stale;
  step.error = CaError(Doing::poll, Error(Fault::not_found, Side::ca, std::move(why)));
  return step;
}

GiveUp refused(Doing doing, const std::optional<Problem>& problem, std::string otherwise) {
  GiveUp step;
  Problem said;
  said.detail = std::move(otherwise);
  step.error = CaError(doing, problem.value_or(std::move(said)), std::nullopt);
  return step;
}

GiveUp failed_validation(const Authorization& authorization) {
  const auto& all = authorization.challenges;
  auto failed = std::find_if(all.begin(), all.end(), [](const Challenge& challenge) {
    return challenge.error || challenge.status == ChallengeStatus::invalid;
  });
  std::optional<Problem> problem;
  if (failed != all.end()) problem = failed->error;
  GiveUp step = refused(Doing::validation, problem, "the CA could not validate the name");
  step.name = authorization.identifier.value;
  if (failed != all.end()) step.challenge = failed->type;
  return step;
}

/// The reason among the authorizations, if it lies there.
std::optional<GiveUp> fatal(const std::vector<Authorization>& authorizations) {
  std::optional<GiveUp> lesser;
  for (const Authorization& authorization : authorizations) {
    switch (authorization.status) {
      case AuthorizationStatus::pending:
      case AuthorizationStatus::valid:
        break;
      case AuthorizationStatus::invalid:
        return failed_validation(authorization);
      case AuthorizationStatus::deactivated:
      case AuthorizationStatus::expired:
      case AuthorizationStatus::revoked:
      case AuthorizationStatus::unknown:
        lesser = stale("the authorization of " + authorization.identifier.value + " is over");
        break;
    }
  }
  return lesser;
}

OrderStep step_of_pending(const OrderView& view) {
  if (auto end = fatal(view.authorizations)) return std::move(*end);
  Solve solve;
  Wait wait;
  wait.retry_after = view.order.retry_after;
  for (std::size_t i = 0; i < view.authorizations.size(); ++i) {
    const Authorization& authorization = view.authorizations[i];
    if (authorization.status != AuthorizationStatus::pending) continue;
    wait.what = Wait::For::authorizations;
    wait.retry_after = longer(wait.retry_after, authorization.retry_after);
    if (!contains(view.answered, authorization.url)) solve.authorizations.push_back(i);
  }
  if (!solve.authorizations.empty()) return solve;
  return wait;
}

bool answerable(const Challenge& challenge) {
  const bool open = challenge.status == ChallengeStatus::pending ||
                    challenge.status == ChallengeStatus::processing;
  return open && !challenge.token.empty() &&
         (challenge.type == "http-01" || challenge.type == "tls-alpn-01");
}

const Challenge* offered(const Authorization& authorization, const std::string& kind) {
  const auto& all = authorization.challenges;
  auto found = std::find_if(all.begin(), all.end(), [&](const Challenge& challenge) {
    return challenge.type == kind && answerable(challenge);
  });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

OrderStep next_step(const OrderView& view) {
  const Order& order = view.order;
  switch (order.status) {
    case OrderStatus::pending:
      return step_of_pending(view);
    case OrderStatus::ready:
      if (!view.finalize_taken) return Finalize();
      return Wait{Wait::For::order, order.retry_after};
    case OrderStatus::processing:
      return Wait{Wait::For::order, order.retry_after};
    case OrderStatus::valid:
      if (order.certificate.empty()) {
        return refused(Doing::poll, std::nullopt, "the order is valid but names no certificate");
      }
      return Download{order.certificate};
    case OrderStatus::invalid: {
      if (auto end = fatal(view.authorizations)) return std::move(*end);
      if (!order.error) return stale("the order has become invalid");
      return refused(Doing::finalize, order.error, {});
    }
    case OrderStatus::unknown:
      break;
  }
  return stale("the order has a status that RFC 8555 does not know");
}

const Challenge* choose_challenge(const Authorization& authorization,
                                  const std::vector<std::string>& preferred,
                                  const std::vector<std::string>& failed) {
  if (authorization.wildcard) return nullptr;
  const Challenge* fallback = nullptr;
  for (const std::string& kind : preferred) {
    const Challenge* challenge = offered(authorization, kind);
    if (challenge == nullptr) continue;
    if (!contains(failed, kind)) return challenge;
    if (fallback == nullptr) fallback = challenge;
  }
  return fallback;
}

std::string first_choice(const std::vector<std::string>& preferred,
                         const std::vector<std::string>& failed) {
  for (const std::string& kind : preferred)
    if (!contains(failed, kind)) return kind;
  return preferred.empty() ? std::string() : preferred.front();
}

}  // namespace gatehouse::acme
