#include "proxy/control/discovery.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include "core/base/log.hpp"
#include "core/base/race.hpp"
#include "core/net/within.hpp"

namespace gatehouse::control {
namespace {

using namespace std::chrono_literals;
using net::ServiceRecord;
using serve::backend::Plan;
using serve::backend::ServicePlan;

constexpr auto lookup_patience = 10s;
constexpr std::chrono::milliseconds after_failure = 5s;
constexpr std::chrono::milliseconds shortest_hold = 1s;

/// The same however the DNS server shuffles it, and no place twice.
std::vector<ServiceRecord> in_order(std::vector<ServiceRecord> records) {
  std::sort(records.begin(), records.end(), [](const ServiceRecord& a, const ServiceRecord& b) {
    return std::tie(a.priority, a.host, a.port, a.weight) <
           std::tie(b.priority, b.host, b.port, b.weight);
  });
  std::set<std::pair<std::string, std::uint16_t>> seen;
  std::erase_if(records, [&](const ServiceRecord& record) {
    return !seen.emplace(record.host, record.port).second;
  });
  return records;
}

}  // namespace

Discovery::Discovery(const Parts& parts, std::function<void()> changed)
    : parts_(parts),
      changed_(std::move(changed)),
      news_(parts.executor, Steady::max()),
      crew_(parts.executor) {}

awaitable<void> Discovery::prepare(const serve::backend::Plans& plans) {
  look_for(plans);
  if (services_.empty()) co_return;
  auto answered = all_answered(*this);
  auto waited = parts_.clock.wait_until(parts_.clock.steady() + first_answer);
  co_await race(std::move(answered), std::move(waited));
}

Discovery::Plans Discovery::reconcile(const serve::backend::Plans& plans) {
  wanted_ = plans;
  look_for(plans);
  std::set<std::string, std::less<>> named;
  for (const auto& [name, plan] : plans) {
    for (const ServicePlan& service : plan->services) named.insert(service.name);
  }
  std::erase_if(services_, [&](const auto& entry) {
    entry.second->gone = !named.contains(entry.first);
    return entry.second->gone;
  });
  return this->plans();
}

Discovery::Plans Discovery::plans() {
  serve::backend::ServiceRecords found;
  for (const auto& [name, service] : services_) found[name] = service->records;
  auto out = std::make_shared<serve::backend::Plans>();
  for (const auto& [name, plan] : wanted_) {
    out->emplace(name, serve::backend::with_services(plan, found));
  }
  return out;
}

awaitable<void> Discovery::stop() {
  for (const auto& [name, service] : services_) service->answered = true;
  news_.cancel();  // nobody need wait any more
  crew_.stop();
  co_await crew_.gone();
}

void Discovery::look_for(const serve::backend::Plans& plans) {
  std::map<std::string, std::chrono::milliseconds, std::less<>> wanted;
  for (const auto& [name, plan] : plans) {
    for (const ServicePlan& service : plan->services) {
      const auto [at, fresh] = wanted.emplace(service.name, plan->resolve);
      if (!fresh) at->second = std::min(at->second, plan->resolve);
    }
  }
  for (const auto& [name, resolve] : wanted) {
    auto& service = services_[name];
    if (service) {
      service->resolve = resolve;
      continue;
    }
    service = std::make_shared<Service>();
    service->name = name;
    service->resolve = resolve;
    crew_.add(watch(*this, service));
  }
}

awaitable<void> Discovery::all_answered(Discovery& discovery) {
  const auto waits = [&] {
    return std::any_of(discovery.services_.begin(), discovery.services_.end(),
                       [](const auto& entry) { return !entry.second->answered; });
  };
  while (waits()) co_await discovery.news_.async_wait(as_result);
}

awaitable<void> Discovery::watch(Discovery& discovery, std::shared_ptr<Service> service) {
  Clock& clock = discovery.parts_.clock;
  for (;;) {
    auto asking = discovery.parts_.resolver.services(service->name);
    const Steady deadline = clock.steady() + lookup_patience;
    auto answer = co_await net::within(clock, deadline, Side::server, std::move(asking));
    if (service->gone) co_return;
    const auto holds = discovery.heard(*service, std::move(answer));
    co_await clock.sleep_until(clock.steady() + holds);
    if (service->gone) co_return;
  }
}

/// How long to wait before the next question.
std::chrono::milliseconds Discovery::heard(Service& service, Result<net::ServiceAnswer> answer) {
  if (!std::exchange(service.answered, true)) news_.cancel();
  if (!answer) {
    if (service.problem.empty()) {
      log::warn("service not found",
                {{"service", service.name}, {"error", answer.error().detail()}});
    }
    service.problem = answer.error().detail();
    return std::min(service.resolve, after_failure);
  }
  service.problem.clear();
  const std::chrono::milliseconds ttl = answer->ttl;
  auto records = in_order(std::move(answer->records));
  if (records != service.records) {
    service.records = std::move(records);
    log::info("service found", {{"service", service.name}, {"servers", service.records.size()}});
    const bool published = std::any_of(wanted_.begin(), wanted_.end(), [&](const auto& entry) {
      const auto& all = entry.second->services;
      return std::any_of(all.begin(), all.end(),
                         [&](const ServicePlan& each) { return each.name == service.name; });
    });
    if (published) changed_();
  }
  return std::min(service.resolve, std::max(ttl, shortest_hold));
}

}  // namespace gatehouse::control
