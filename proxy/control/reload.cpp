// Parse, check, build, publish: a step that fails leaves what runs untouched and says why.

#include <algorithm>
#include <functional>
#include <utility>

#include "acme/audit.hpp"
#include "core/base/log.hpp"
#include "proxy/control/logging.hpp"
#include "proxy/control/notify.hpp"
#include "proxy/control/process.hpp"
#include "proxy/control/secret_file.hpp"
#include "proxy/control/service.hpp"
#include "proxy/control/turn.hpp"

namespace gatehouse::control {
namespace {

constexpr std::chrono::seconds rest_after_reloads{10};
constexpr int most_rounds = 6;  // of that rest: where reloads never cease, once a minute

/// What a running process keeps from its start, whatever the file says now.
void keep_fixed(const config::Config& running, config::Config& next) {
  next.server.data_dir = running.server.data_dir;
  next.server.workers = running.server.workers;
  next.server.user = running.server.user;
  next.storage = running.storage;
  next.admin.listen = running.admin.listen;
}

bool same_access(const config::Log& a, const config::Log& b) {
  return a.access == b.access && a.access_format == b.access_format &&
         a.access_fields.drop == b.access_fields.drop &&
         a.access_fields.hash == b.access_fields.hash &&
         a.access_fields.redact == b.access_fields.redact;
}

ReloadOutcome refused(std::vector<std::string> problems, bool invalid) {
  for (const std::string& problem : problems) log::error("reload refused", {{"why", problem}});
  ReloadOutcome outcome;
  outcome.problems = std::move(problems);
  outcome.invalid = invalid;
  return outcome;
}

ReloadOutcome refused(const Error& error) { return refused({error.detail()}, false); }

/// Who gave root up at the start cannot have it back.
Error not_opened(const Error& why, const std::string& user) {
  if (why.fault() != Fault::denied || user.empty()) return why;
  return Error(why.fault(), why.side(),
               why.detail() + "; this process gave root up for server.user '" + user +
                   "', so only a restart opens it");
}

std::string monotonic_usec(Clock& clock) {
  const auto since = clock.steady().time_since_epoch();
  return std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(since).count());
}

}  // namespace

awaitable<void> Service::reload_by_signal() {
  // The outcome is in the log: a signal has nobody to answer to.
  (void)co_await reload_now();
}

awaitable<ReloadOutcome> Service::reload_now() {
  while (changing_) co_await changed_.async_wait(as_result);
  if (stage_ != Stage::serving) {
    co_return refused(Error(Fault::refused, Side::self, "not serving: starting or stopping"));
  }
  const Turn turn(changing_, changed_);
  notify_service_manager("RELOADING=1\nMONOTONIC_USEC=" + monotonic_usec(clock_));
  auto read = [source = source_] { return source.load(machine()); };
  auto loaded = co_await helpers_.run(std::move(read));
  ReloadOutcome outcome;
  if (loaded.config) {
    outcome = co_await apply(*std::move(loaded.config));
    if (outcome.changes) log_warnings(loaded.warnings);
  } else {
    std::vector<std::string> problems;
    for (const config::Problem& problem : loaded.problems) problems.push_back(problem.text());
    outcome = refused(std::move(problems), true);
  }
  notify_service_manager("READY=1");
  ++reloads_;
  if (!std::exchange(settling_, true)) crew_.add(give_memory_back());
  co_return outcome;
}

/// What the old config was in, and what the new one was read into: tens of megabytes where there
/// are many sites. Once reloads have come to rest, because the next one would use it again, and
/// because workers wait for their part of the heap meanwhile and for its pages afterwards: while
/// reloads came one a second, their slowest requests took twice as long.
awaitable<void> Service::give_memory_back() {
  std::uint64_t seen = 0;
  for (int round = 0; seen != reloads_ && round < most_rounds; ++round) {
    seen = reloads_;
    co_await clock_.sleep_until(clock_.steady() + rest_after_reloads);
  }
  settling_ = false;
  const auto job = [] { give_back_memory(); };
  co_await helpers_.run(job);
}

/// Everything that can fail comes before the first change.
awaitable<ReloadOutcome> Service::apply(config::Config next) {
  const std::shared_ptr<const serve::Snapshot> before = snapshot_;
  Changes changes = compare(before->config(), next);
  keep_fixed(before->config(), next);

  auto shared = std::make_shared<const config::Config>(std::move(next));
  auto snapshot = serve::Snapshot::build(shared, tickets_, before.get());
  if (!snapshot) co_return refused(snapshot.error());
  auto plan = certificates_->plan(*shared);
  if (!plan) co_return refused(plan.error());
  auto opened = listeners_->open(**snapshot);
  if (!opened) co_return refused(not_opened(opened.error(), before->config().server.user));
  auto sticky_key = sticky_key_for(*shared);
  if (!sticky_key) co_return refused(sticky_key.error());
  if (auto logging = open_log(shared->log); !logging) co_return refused(logging.error());
  auto access = co_await change_access_log(before->config().log, shared->log);
  if (!access) {
    (void)open_log(before->config().log);  // it was open a moment ago
    co_return refused(access.error());
  }

  resolver_.ask_servers(servers_of(*shared));
  co_await discovery_->prepare((*snapshot)->backends());

  if (!sticky_key->empty()) {
    const std::function<void(serve::Worker&)> hand_over = [&sticky_key](serve::Worker& worker) {
      worker.sticky_key = *sticky_key;
    };
    co_await workers_->on_each(hand_over);
  }
  snapshot_ = *std::move(snapshot);
  const Discovery::Plans plans = discovery_->reconcile(snapshot_->backends());
  co_await workers_->publish(snapshot_, plans);
  health_->reconcile(*plans);
  certificates_->keeper().reconcile(*std::move(plan));
  co_await listeners_->apply(*std::move(opened), snapshot_);
  for (const std::string& key : changes.needs_restart) {
    log::warn("setting needs a restart", {{"key", key}});
  }
  log::info("config reloaded", {{"config", source_.name}, {"changes", changes.applied.size()}});
  for (const std::string& change : changes.applied) {
    acme::AuditLog::Fields fields{{"config", source_.name}, {"change", change}};
    certificates_->audit().note("config changed", std::move(fields));
  }
  ReloadOutcome outcome;
  outcome.changes = std::move(changes);
  co_return outcome;
}

/// Empty where no backend pins clients: nothing is made then, and no start waits for the disk.
Result<std::string> Service::sticky_key_for(const config::Config& config) {
  const auto pins = [](const config::Backend& each) { return !each.sticky_cookie.empty(); };
  if (std::none_of(config.backends.begin(), config.backends.end(), pins)) return std::string();
  return secret_of(config.server.data_dir + "/sticky.key", entropy_);
}

/// What DNS says of backends has changed.
awaitable<void> Service::change_servers() {
  while (changing_) co_await changed_.async_wait(as_result);
  if (stage_ == Stage::draining) co_return;
  const Turn turn(changing_, changed_);
  const Discovery::Plans plans = discovery_->plans();
  co_await workers_->publish(plans);
  health_->reconcile(*plans);
}

awaitable<Result<void>> Service::change_access_log(const config::Log& before,
                                                   const config::Log& after) {
  if (same_access(before, after)) co_return Result<void>();
  auto made = serve::AccessLog::open(after, workers_->size(), entropy_);
  if (!made) co_return made.error();
  serve::AccessLog* next = made->get();
  const std::function<void(serve::Worker&)> hand_over = [next](serve::Worker& worker) {
    worker.access = next ? next->ring(worker.index) : nullptr;
  };
  co_await workers_->on_each(hand_over);
  access_log_ = *std::move(made);  // the old one writes what it has and ends
  co_return Result<void>();
}

}  // namespace gatehouse::control
