// The keeper's budget ledgers: what a CA's rate limits have left, kept in memory and in storage.
#include "acme/detail/keeper_entry.hpp"
#include "acme/keeper.hpp"
#include "core/base/log.hpp"
#include "core/base/time_format.hpp"

namespace gatehouse::acme {
namespace {

/// A ledger that cannot be read is begun afresh: at worst the CA says no where we could have known.
Budget read_budget(Storage& storage, const std::string& ca) {
  auto budget = storage.load_budget(ca);
  if (!budget) log::warn("budget was begun afresh", {{"ca", ca}, {"why", budget.error().detail()}});
  return budget && *budget ? std::move(**budget) : Budget();
}

}  // namespace

Expense Keeper::expense_of(const Entry& entry, const Slot& slot, const std::string& folder) {
  const bool had = slot.known && slot.ca == folder;
  return {entry.host, had ? Expense::Kind::renewal : Expense::Kind::first};
}

Wall Keeper::budget_opens(const Entry& entry, const Slot& slot, const std::string& folder) const {
  const auto ledger = ledgers_.find(folder);
  if (ledger == ledgers_.end()) return Wall();
  return open_from(ledger->second.budget, known_limits(folder), expense_of(entry, slot, folder),
                   parts_.clock.wall());
}

awaitable<void> Keeper::open_ledgers(EntryPointer entry) {
  for (const CaChoice& ca : cas_of(entry->wanted)) {
    const std::string folder = ca.issuer->storage_name();
    if (ledgers_.contains(folder)) continue;
    auto job = [storage = parts_.storage, folder] { return read_budget(*storage, folder); };
    auto budget = co_await parts_.helpers.run(std::move(job));
    // Whoever was quicker may have counted already.
    merge(ledgers_[folder].budget, budget);
  }
}

void Keeper::count(const std::string& folder, const Expense& expense, const IssueOutcome& outcome) {
  const auto ledger = ledgers_.find(folder);
  if (ledger == ledgers_.end()) return;
  const Wall now = parts_.clock.wall();
  Budget& budget = ledger->second.budget;
  const CaLimits* limits = known_limits(folder);
  count_order(budget, limits, expense, now);
  if (outcome)
    count_certificate(budget, limits, expense, now);
  else
    count_failure(budget, limits, expense, outcome.error(), now);
  tidy(budget, now);
  const bool idle = ledger->second.paper == Ledger::Paper::same;
  ledger->second.paper = Ledger::Paper::outdated;
  if (idle) crew_.add(write_down(folder));
}

awaitable<void> Keeper::write_down(std::string folder) {
  Ledger& ledger = ledgers_.at(folder);  // ledgers are never dropped
  while (ledger.paper == Ledger::Paper::outdated) {
    ledger.paper = Ledger::Paper::writing;
    auto job = [storage = parts_.storage, folder, budget = ledger.budget,
                now = parts_.clock.wall()]() mutable -> Result<void> {
      // Another process may have written meanwhile.
      auto stored = storage->load_budget(folder);
      if (stored && *stored) merge(budget, **stored);
      tidy(budget, now);
      // Of a CA without known limits most outcomes say nothing, and a write waits for the disk.
      if (stored && budget == stored->value_or(Budget())) return {};
      return storage->save_budget(folder, budget);
    };
    auto saved = co_await parts_.helpers.run(std::move(job));
    if (!saved)
      log::warn("budget could not be stored", {{"ca", folder}, {"why", saved.error().detail()}});
  }
  ledger.paper = Ledger::Paper::same;
}

void Keeper::explain_wait(Entry& entry, Wall until) {
  if (entry.failure || serves(entry)) return;
  entry.failure = Error(Fault::limit, Side::ca,
                        "the CA's rate limits have nothing left before " + rfc3339_seconds(until));
}

}  // namespace gatehouse::acme
