#include "proxy/serve/backend/pools.hpp"

#include <algorithm>

namespace gatehouse::serve::backend {
namespace {

// Below this many at a time retries are no storm, whatever their share.
constexpr std::uint32_t retries_always_allowed = 3;

}  // namespace

// --- Backend

std::shared_ptr<Pool> Backend::choose(const std::vector<const Pool*>& tried) {
  if (servers_.size() == 1 && tried.empty()) return servers_.front();
  table_.clear();
  for (const auto& server : servers_) {
    table_.push_back(server->standing());
    table_.back().tried = std::find(tried.begin(), tried.end(), server.get()) != tried.end();
  }
  const auto chosen = two_choices(table_, clock_.steady(), random_);
  return chosen ? servers_[*chosen] : nullptr;
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
    if (!backend) backend = std::make_shared<Backend>(means_.clock, random_);
    reconcile(*backend, plan);
  }
}

void Pools::reconcile(Backend& backend, const std::shared_ptr<const Plan>& plan) {
  auto old = std::move(backend.servers_);
  backend.servers_.clear();
  backend.plan_ = plan;
  for (const ServerPlan& server : plan->servers) {
    const auto same = std::find_if(old.begin(), old.end(), [&](const auto& pool) {
      return pool && pool->server().identity == server.identity;
    });
    if (same == old.end()) {
      backend.servers_.push_back(std::make_shared<Pool>(means_, plan, server));
      continue;
    }
    (*same)->update(plan, server);
    backend.servers_.push_back(std::move(*same));
    *same = nullptr;
  }
  for (const auto& gone : old) {
    if (gone) gone->retire();
  }
}

}  // namespace gatehouse::serve::backend
