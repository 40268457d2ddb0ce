#include "acme/lifetime.hpp"

#include <algorithm>

namespace gatehouse::acme {
namespace {

using namespace std::chrono_literals;

constexpr double danger_share = 1.0 / 20;
constexpr double jitter_share = 1.0 / 20;
constexpr std::uint32_t failures_before_next_ca = 3;
constexpr auto long_wait = 10min;         // longer than the ladder's first steps: the CA named it
constexpr auto permanent_in_danger = 1h;  // instead of once a day
constexpr auto idle_look = 24h;           // where no CA is configured there is nothing to wait for

bool passed_over(const CaStanding& ca, Wall now) {
  const Backoff& backoff = ca.backoff;
  if (ca.paused_until > now + long_wait) return true;
  if (backoff.attempts == 0) return false;
  return backoff.permanent || backoff.attempts >= failures_before_next_ca ||
         backoff.next_attempt - backoff.last_failure > long_wait;
}

Wall open_from(const CaStanding& ca, bool in_danger) {
  Wall from = ca.backoff.attempts == 0 ? Wall() : ca.backoff.next_attempt;
  if (in_danger && ca.backoff.permanent)
    from = std::min(from, ca.backoff.last_failure + permanent_in_danger);
  return std::max(from, ca.paused_until);
}

NextAction order_or_wait(const Standing& standing, Urgency urgency, Wall now) {
  if (standing.forced && !standing.cas.empty()) return PlaceOrder{0, urgency};
  const bool in_danger = urgency == Urgency::danger || urgency == Urgency::expired;
  Wall soonest = standing.cas.empty() ? now + idle_look : Wall::max();
  for (std::size_t at = 0; at < standing.cas.size(); ++at) {
    const Wall from = open_from(standing.cas[at], in_danger);
    if (from <= now) return PlaceOrder{at, urgency};
    soonest = std::min(soonest, from);
    if (!in_danger && !passed_over(standing.cas[at], now)) break;
  }
  return Rest{soonest};
}

}  // namespace

Wall Lifetime::with_share_left(double share) const {
  const std::chrono::duration<double> whole = not_after - not_before;
  return not_after - std::chrono::duration_cast<Wall::duration>(whole * share);
}

Wall danger_time(const Lifetime& lifetime) { return lifetime.with_share_left(danger_share); }

Wall renewal_time(const Lifetime& lifetime, double share, double jitter) {
  const double left = 1.0 - share - std::clamp(jitter, 0.0, 1.0) * jitter_share;
  return std::min(lifetime.with_share_left(left), danger_time(lifetime));
}

NextAction next_action(const Standing& standing, Wall now) {
  using Stock = Standing::Stock;
  switch (standing.stock) {
    case Stock::unknown:
      return Load{};
    case Stock::refused:
      if (standing.look_again <= now) return Load{};
      return Rest{standing.look_again};
    case Stock::none:
      if (standing.held_back_until > now) return Rest{standing.held_back_until};
      return order_or_wait(standing, Urgency::configured, now);
    case Stock::foreign:
    case Stock::held:
      break;
  }
  if (standing.held_back_until > now) return Rest{standing.held_back_until};
  const Wall due = standing.stock == Stock::foreign || standing.forced
                       ? now
                       : renewal_time(standing.lifetime, standing.renew_share, standing.jitter);
  if (due > now) return Rest{due};
  const Urgency urgency = standing.lifetime.not_after <= now      ? Urgency::expired
                          : danger_time(standing.lifetime) <= now ? Urgency::danger
                                                                  : Urgency::renewal;
  return order_or_wait(standing, urgency, now);
}

}  // namespace gatehouse::acme
