#include "proxy/control/health.hpp"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "core/base/log.hpp"

namespace gatehouse::control {

using serve::backend::Plan;
using serve::backend::Pulse;
using serve::backend::ServerPlan;

Health::Health(const Parts& parts) : parts_(parts), wheel_(parts.clock), crew_(parts.executor) {
  crew_.add(wheel_.run());
}

void Health::reconcile(const serve::backend::Plans& plans) {
  // Several of one backend may be one place; each takes one of the known in turn.
  std::multimap<std::pair<std::string_view, std::string_view>, std::shared_ptr<Server>> old;
  for (auto& known : servers_) {
    const std::pair<std::string_view, std::string_view> place(known->plan->name,
                                                              known->server->identity);
    old.emplace(place, std::move(known));
  }
  servers_.clear();
  for (const auto& entry : plans) {
    const auto& plan = entry.second;
    for (const ServerPlan& wanted : plan->servers) {
      auto same = old.extract({plan->name, wanted.identity});
      auto server = same ? std::move(same.mapped()) : std::make_shared<Server>();
      if (!same) server->vitals = wanted.vitals;
      server->plan = plan;
      server->server = &wanted;
      if (plan->health.path.empty()) {
        // Nobody would ever call it healthy again.
        server->vitals->down(false, parts_.clock.steady());
        server->pulse = Pulse();
        server->last_problem.clear();
      } else if (!server->checking) {
        server->checking = true;
        crew_.add(watch(*this, server));
      }
      servers_.push_back(std::move(server));
    }
  }
  for (const auto& [place, server] : old) server->gone = true;
}

awaitable<void> Health::stop() {
  crew_.stop();
  co_await crew_.gone();
}

/// A tenth more or less than the interval, so that checks of many servers, and of nodes side by
/// side, spread out; the first comes soon.
Steady::duration Health::beat(const Server& server, bool first) {
  const std::chrono::microseconds interval = server.plan->health.interval;
  const auto bound = static_cast<std::uint64_t>(std::max<std::int64_t>(interval.count() / 5, 1));
  const std::chrono::microseconds jitter(parts_.entropy.below(bound));
  if (first) return std::min<Steady::duration>(jitter, std::chrono::milliseconds(100));
  return interval - interval / 10 + jitter;
}

awaitable<void> Health::watch(Health& health, std::shared_ptr<Server> server) {
  struct Over {
    Server& server;
    ~Over() { server.checking = false; }
  };
  const Over over{*server};
  for (bool first = true;; first = false) {
    co_await health.parts_.clock.sleep_until(health.parts_.clock.steady() +
                                             health.beat(*server, first));
    if (server->gone || server->plan->health.path.empty()) co_return;
    const std::shared_ptr<const Plan> plan = server->plan;
    const ServerPlan& target = *server->server;
    const serve::backend::CheckMeans means{health.parts_.clock, health.parts_.dialer, health.wheel_,
                                           health.buffers_};
    const auto told = co_await serve::backend::check_health(means, plan, target);
    if (server->gone || server->plan->health.path.empty()) co_return;
    health.heard(*server, told);
  }
}

void Health::heard(Server& server, const Result<int>& told) {
  const auto& rules = server.plan->health;
  const bool well = told && serve::backend::healthy(rules, *told);
  if (well) {
    server.last_problem.clear();
  } else {
    server.last_problem = told ? "answered " + std::to_string(*told) : told.error().detail();
  }
  switch (server.pulse.heard(well, rules)) {
    case Pulse::Change::none:
      break;
    case Pulse::Change::down:
      server.vitals->down(true, parts_.clock.steady());
      log::warn("server down", {{"backend", server.plan->name},
                                {"server", server.server->text},
                                {"why", server.last_problem}});
      break;
    case Pulse::Change::up:
      server.vitals->down(false, parts_.clock.steady());
      log::info("server up", {{"backend", server.plan->name}, {"server", server.server->text}});
      break;
  }
}

}  // namespace gatehouse::control
