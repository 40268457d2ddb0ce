#include "proxy/serve/backend/pools.hpp"

#include <algorithm>

#include "core/base/contains.hpp"
#include "core/base/counted_apart.hpp"
#include "core/base/log.hpp"
#include "proxy/serve/backend/sticky.hpp"

namespace gatehouse::serve::backend {
namespace {

using Ejection = Vitals::Ejection;

// Below this many at a time retries are no storm, whatever their share.
constexpr std::uint32_t retries_always_allowed = 3;

bool was_tried(const std::vector<const Pool*>& tried, const Pool* pool) {
  return contains(tried, pool);
}

bool full(const Pool& pool) {
  const std::uint32_t most = pool.server().max_requests;
  return most > 0 && pool.vitals().slots() >= most;
}

}  // namespace

// --- Slot

void Slot::release() {
  if (!backend_) return;
  pool_->vitals().give_slot();
  backend_->slot_freed();
  backend_.reset();
  pool_.reset();
}

// --- Backend

Backend::Backend(const Means& means, Random random)
    : means_(means), random_(random), chooser_(Policy::two_choices, std::move(random)) {}

void Backend::update(const std::shared_ptr<const Plan>& plan) {
  plan_ = plan;
  if (!ward_) {
    ward_ = plan->ward;
    waiting_ = std::make_shared<WaitingRoom>(means_.wheel, means_.crew.executor(), ward_->bell);
  }
  chooser_ = Chooser(plan->policy, random_);
  tokens_.clear();
  for (const auto& pool : servers_) {
    if (plan->sticky_cookie.empty()) break;
    tokens_.push_back(sticky_token(means_.sticky_key, plan->name, pool->server().text));
  }
  plain_ = servers_.size() == 1 && servers_[0]->server().max_requests == 0 &&
           plan->health.path.empty() && plan->eject.max_share < 1;
}

std::string_view Backend::token(const Pool& pool) const {
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    if (servers_[i].get() == &pool) return tokens_[i];
  }
  return {};
}

void Backend::fill_table(const Wish& wish, Steady now) {
  constexpr std::uint32_t whole = 100;  // so that a slow start can be told in percent
  table_.clear();
  for (const auto& server : servers_) {
    Standing& entry = table_.emplace_back(server->standing());
    const Vitals& vitals = server->vitals();
    const Ejection ejection = vitals.ejection(now);
    entry.tried = was_tried(wish.tried, server.get());
    // Whoever cannot be sent again leaves the probe to others, but not for ever.
    const bool probing = wish.may_probe || now >= vitals.ejected_until() + plan_->eject.for_;
    const bool ejected = ejection == Ejection::out || (ejection == Ejection::half_open && !probing);
    entry.out = vitals.down() || (ejected && !wish.last_resort) || full(*server);
    const auto slow_start = plan_->slow_start;
    entry.weight *= slow_start.count() == 0 ? whole : vitals.share_percent(slow_start, now);
  }
}

std::optional<std::size_t> Backend::pinned_server(std::string_view token) const {
  for (std::size_t i = 0; i < tokens_.size() && !token.empty(); ++i) {
    if (tokens_[i] == token && !table_[i].out && !table_[i].tried) return i;
  }
  return {};
}

Choice Backend::choose(const Wish& wish) {
  Choice choice;
  if (plain_ && wish.tried.empty()) {
    choice.kind = Choice::Kind::server;
    choice.pool = servers_.front();
    return choice;
  }
  if (!wish.called && !waiting_->empty()) {
    choice.kind = Choice::Kind::full;
    return choice;
  }
  const Steady now = means_.clock.steady();
  fill_table(wish, now);
  // A server that others took the last place or the probe of is out for this choice.
  for (std::size_t round = 0; round <= servers_.size(); ++round) {
    auto chosen = pinned_server(wish.pinned);
    if (!chosen) chosen = chooser_.choose(table_, now, wish.key);
    if (!chosen) break;
    const std::shared_ptr<Pool>& pool = servers_[*chosen];
    Vitals& vitals = pool->vitals();
    const std::uint32_t most = pool->server().max_requests;
    table_[*chosen].out = true;  // unless it is taken
    if (most > 0) {
      if (!vitals.take_slot(most)) continue;
      choice.slot = Slot(shared_from_this(), pool);
    }
    if (wish.last_resort) {
      choice.probe = vitals.ejection(now) != Ejection::none;
    } else if (vitals.ejection(now) == Ejection::half_open) {
      choice.probe = vitals.claim_probe(now, now + plan_->eject.for_);
      if (!choice.probe) {
        choice.slot.release();
        continue;
      }
    }
    choice.kind = Choice::Kind::server;
    choice.pool = pool;
    return choice;
  }
  if (wish.last_resort) return nothing(wish);
  if (wish.may_probe) return desperate(wish);
  Wish probing = wish;
  probing.may_probe = true;
  return choose(probing);
}

/// As long as not all servers may be ejected at a time, one that was is better than none.
Choice Backend::desperate(const Wish& wish) {
  if (plan_->eject.max_share >= 1 || nothing(wish).kind == Choice::Kind::full) return nothing(wish);
  Wish last = wish;
  last.last_resort = true;
  return choose(last);
}

/// Why no server was found.
Choice Backend::nothing(const Wish& wish) const {
  const Steady now = means_.clock.steady();
  Choice choice;
  choice.kind = wish.tried.empty() ? Choice::Kind::none_healthy : Choice::Kind::none_left;
  for (const auto& server : servers_) {
    const bool healthy =
        !server->vitals().down() && server->vitals().ejection(now) == Ejection::none;
    if (healthy && full(*server) && !was_tried(wish.tried, server.get())) {
      choice.kind = Choice::Kind::full;
    }
  }
  return choice;
}

bool Backend::has_other(const std::vector<const Pool*>& tried) const {
  const Steady now = means_.clock.steady();
  return std::any_of(servers_.begin(), servers_.end(), [&](const auto& server) {
    const bool ejected = server->vitals().ejection(now) != Ejection::none;
    return !was_tried(tried, server.get()) && !server->vitals().down() &&
           (!ejected || plan_->eject.max_share < 1);
  });
}

void Backend::failed(Pool& pool, const Error& why, bool probe, Avoid avoid) {
  if (avoid == Avoid::yes) pool.failed(why);
  const Steady now = means_.clock.steady();
  if (probe) {
    pool.vitals().eject(now + plan_->eject.for_);
  } else if (pool.vitals().failed(plan_->eject, now)) {
    eject(pool, now);
  }
}

/// Where the others can carry it.
void Backend::eject(Pool& pool, Steady now) {
  if (pool.vitals().ejection(now) != Ejection::none) return;
  if (ward_->ejecting.exchange(true)) return;
  const auto away = std::count_if(servers_.begin(), servers_.end(), [&](const auto& server) {
    return server->vitals().ejection(now) != Ejection::none;
  });
  constexpr double rounding = 1e-9;
  const double allowed = plan_->eject.max_share * static_cast<double>(servers_.size()) + rounding;
  const bool may = static_cast<double>(away + 1) <= allowed;
  if (may) pool.vitals().eject(now + plan_->eject.for_);
  ward_->ejecting.store(false);
  if (may) {
    log::warn(
        "server ejected",
        {{"backend", plan_->name}, {"server", pool.server().text}, {"for_ms", plan_->eject.for_}});
  }
}

void Backend::served(Pool& pool, bool probe) {
  pool.served();
  if (probe && pool.vitals().recovered(means_.clock.steady())) {
    log::info("server back", {{"backend", plan_->name}, {"server", pool.server().text}});
  }
}

awaitable<bool> Backend::wait(Steady deadline, bool called) {
  if (!called && waiting_->full()) co_return false;
  const auto place = called ? WaitingRoom::Place::first : WaitingRoom::Place::last;
  const auto room = waiting_;
  const bool turn = co_await room->sit(deadline, place);
  co_return turn;
}

void Backend::call_next() {
  if (waiting_->empty()) return;
  waiting_->listen();
  waiting_->call();
}

void Backend::slot_freed() {
  waiting_->call();
  ward_->bell->ring();
}

std::chrono::seconds Backend::recovery_expected() const {
  const Steady now = means_.clock.steady();
  Steady::duration soonest =
      plan_->health.path.empty() ? plan_->eject.for_ : plan_->health.interval;
  for (const auto& server : servers_) {
    if (server->vitals().down()) continue;
    soonest = std::min(soonest, server->vitals().ejected_until() - now);
  }
  const auto whole = std::chrono::ceil<std::chrono::seconds>(soonest);
  return std::max(whole, std::chrono::seconds(1));
}

Backend::Passage::~Passage() {
  --backend_.under_way_;
  if (retrying_) --backend_.retrying_;
}

bool Backend::Passage::may_retry() {
  if (retrying_) return true;
  const auto allowed =
      static_cast<std::uint32_t>(backend_.plan_->retry_budget * backend_.under_way_);
  if (backend_.retrying_ >= std::max(allowed, retries_always_allowed)) return false;
  ++backend_.retrying_;
  retrying_ = true;
  return true;
}

// --- Pools

std::shared_ptr<Backend> Pools::find(std::string_view name) const {
  const auto found = backends_.find(name);
  return found == backends_.end() ? nullptr : found->second;
}

void Pools::reconcile(const Plans& plans) {
  std::erase_if(backends_, [&](const auto& entry) {
    if (plans.contains(entry.first)) return false;
    for (const auto& server : entry.second->servers_) server->retire();
    return true;
  });
  for (const auto& [name, plan] : plans) {
    auto& backend = backends_[name];
    if (!backend) backend = std::make_shared<Backend>(means_, random_);
    if (backend->plan_ == plan) continue;
    reconcile(*backend, counted_apart(plan));
  }
}

void Pools::reconcile(Backend& backend, const std::shared_ptr<const Plan>& plan) {
  const bool first = backend.plan_ == nullptr;
  auto old = std::move(backend.servers_);
  backend.servers_.clear();
  for (const ServerPlan& server : plan->servers) {
    const auto same = std::find_if(old.begin(), old.end(), [&](const auto& pool) {
      return pool && pool->server().identity == server.identity;
    });
    if (same == old.end()) {
      backend.servers_.push_back(std::make_shared<Pool>(means_, plan, server));
      if (!first) server.vitals->back(means_.clock.steady());  // it is cold, the others are not
      continue;
    }
    (*same)->update(plan, server);
    backend.servers_.push_back(std::move(*same));
    *same = nullptr;
  }
  for (const auto& gone : old) {
    if (gone) gone->retire();
  }
  backend.update(plan);
}

}  // namespace gatehouse::serve::backend
