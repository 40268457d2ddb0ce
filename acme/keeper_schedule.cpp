// What is due and when: entries wait for their time, then for their turn, then are worked on.
#include <algorithm>

#include "acme/detail/keeper_entry.hpp"
#include "core/base/race.hpp"

namespace gatehouse::acme {
namespace {

using namespace std::chrono_literals;
using config::TlsMode;

constexpr std::array<std::size_t, 5> most_at_work{1024, 16, 8, 8, 8};  // by Lane
// Of those that nobody waits for: few enough that one that is waited for finds a helper soon.
constexpr std::size_t most_loads_ahead = 4;
constexpr std::size_t most_made_ahead = 4;
// The longest the schedule sleeps: a machine that was suspended or whose date jumped is noticed
// after so long.
constexpr auto longest_sleep = 60s;
constexpr auto elsewhere_pause = 2s;
constexpr auto files_look = 60s;

}  // namespace

Standing Keeper::standing_of(const Entry& entry, const Slot& slot) const {
  Standing standing;
  standing.stock = slot.stock;
  standing.look_again = slot.look_again;
  if (slot.known) standing.lifetime = slot.known->lifetime;
  standing.renew_share = entry.wanted.acme->renew_at;
  standing.jitter = slot.meta.jitter;
  standing.held_back_until = entry.held_back_until;
  standing.forced = slot.forced;
  const auto cas = cas_of(entry.wanted);
  for (std::size_t at = 0; at < cas.size(); ++at) {
    CaStanding ca;
    if (at < slot.backoffs.size()) ca.backoff = slot.backoffs[at];
    const std::string& folder = cas[at].issuer->storage_name();
    const auto trouble = ca_trouble_.find(folder);
    if (trouble != ca_trouble_.end()) ca.paused_until = trouble->second.next_attempt;
    ca.paused_until = std::max(ca.paused_until, budget_opens(entry, slot, folder));
    standing.cas.push_back(std::move(ca));
  }
  return standing;
}

void Keeper::rest(const EntryPointer& entry, Wall until) {
  if (entry->due) due_.erase({*entry->due, entry.get()});
  const bool first = due_.empty() || until < due_.begin()->first;
  entry->due = until;
  due_.insert({until, entry.get()});
  if (first) wake();
}

Keeper::Choice Keeper::choose(const Entry& entry) const {
  const Wall now = parts_.clock.wall();
  Choice choice;
  for (std::size_t at = 0; at < entry.slots.size(); ++at) {
    const Slot& slot = entry.slots[at];
    if (entry.wanted.mode == TlsMode::files && slot.stock != Standing::Stock::unknown) {
      choice.soonest = now + files_look;
      continue;
    }
    const NextAction action = next_action(standing_of(entry, slot), now);
    if (std::holds_alternative<Load>(action)) {
      choice.load = true;
    } else if (const auto* order = std::get_if<PlaceOrder>(&action)) {
      // Among equals the first key type of the list goes first.
      if (choice.order && choice.order->urgency <= order->urgency) continue;
      choice.order = *order;
      choice.slot = at;
    } else {
      choice.soonest = std::min(choice.soonest, std::get<Rest>(action).until);
    }
  }
  return choice;
}

void Keeper::schedule(const EntryPointer& entry, bool awaited) {
  if (mode_ == Mode::stopping) return;
  const Wall now = parts_.clock.wall();
  if (entry->phase == Entry::Phase::elsewhere) return rest(entry, now + elsewhere_pause);
  if (entry->due) due_.erase({*entry->due, entry.get()});
  entry->due.reset();
  entry->phase = Entry::Phase::resting;
  const Choice choice = choose(*entry);
  if (choice.load) {
    queue_load(entry, awaited);
  } else if (choice.order) {
    queue_order(entry, choice.order->urgency, awaited);
  } else {
    rest(entry, choice.soonest);
  }
}

void Keeper::queue_load(const EntryPointer& entry, bool awaited) {
  entry->phase = Entry::Phase::to_load;
  entry->awaited = awaited || !entry->waiters.empty();
  (entry->awaited ? to_load_awaited_ : to_load_).push_back(entry);
}

/// The internal CA is ours and answers at once: its certificates do not wait behind other CAs'.
void Keeper::queue_order(const EntryPointer& entry, Urgency urgency, bool awaited) {
  entry->phase = Entry::Phase::to_order;
  entry->awaited = awaited || !entry->waiters.empty();
  if (entry->wanted.mode == TlsMode::internal)
    (entry->awaited ? to_make_awaited_ : to_make_).push_back(entry);
  else if (entry->kind == Entry::Kind::lazy && !entry->unasked && !serves(*entry))
    to_order_on_demand_.push_back(entry);
  else
    to_order_.emplace(std::pair(urgency, ++sequence_), entry);
}

/// A handshake waits for it: it goes before all that are only to be there one day. After a start
/// these may be a hundred thousand.
void Keeper::bring_forward(const EntryPointer& entry) {
  if (entry->awaited) return;
  if (entry->phase == Entry::Phase::to_load)
    to_load_awaited_.push_back(entry);
  else if (entry->phase == Entry::Phase::to_order && entry->wanted.mode == TlsMode::internal)
    to_make_awaited_.push_back(entry);
  else
    return;
  entry->awaited = true;
  pump();
}

void Keeper::begin_loads() {
  std::size_t& at_work = at_work_[static_cast<std::size_t>(Lane::load)];
  const auto begin = [&](std::deque<EntryPointer>& queue) {
    EntryPointer entry = std::move(queue.front());
    queue.pop_front();
    if (entry->phase != Entry::Phase::to_load) return;
    ++at_work;
    entry->phase = Entry::Phase::loading;
    crew_.add(look_up(std::move(entry)));
  };
  while (!to_load_awaited_.empty() && at_work < most_at_work[static_cast<std::size_t>(Lane::load)])
    begin(to_load_awaited_);
  while (!to_load_.empty() && at_work < most_loads_ahead) begin(to_load_);
}

void Keeper::settle(const EntryPointer& entry) {
  if (entry->kind == Entry::Kind::retired || mode_ == Mode::stopping) {
    forget(entry);
    return;
  }
  schedule(entry);
  if (entry->unasked && !entry->busy()) {
    forget(entry);
    return;
  }
  if (entry->kind == Entry::Kind::lazy && !entry->busy() && !serves(*entry) && !entry->being_read) {
    // Nothing to keep: the reason is remembered for as long as the back-off says.
    const Wall now = parts_.clock.wall();
    const Error error = entry->failure.value_or(
        Error(Fault::not_found, Side::self, entry->host + ": no certificate"));
    if (entry->wanted.mode == TlsMode::on_demand && entry->due && error.side() == Side::ca)
      gate_.remember_failure(
          entry->host, error,
          parts_.clock.steady() + std::clamp<Wall::duration>(*entry->due - now, 1s, 24h));
    if (entry->served_until) crew_.add(parts_.outlet.withdraw(entry->host));
    forget(entry);
    return;
  }
  const bool outstanding =
      entry->served_until ? !serves(*entry) && entry->has_valid_certificate(parts_.clock.wall())
                          : entry->has_certificate();
  if (outstanding && !entry->unasked && !entry->being_read) {
    auto certificates = entry->assemble(parts_.clock.wall());
    if (certificates != nullptr)
      crew_.add(hand_out(entry, std::move(certificates), tls::CertificateIndex::Need::ahead));
    else
      bring_back(entry);
  }
  // Of several certificates, those that are there already wait for those that are being read.
  if (!entry->being_read)
    for (Slot& slot : entry->slots) slot.let_go();
  ring(*entry);
}

void Keeper::pump() {
  if (mode_ != Mode::running) return;
  const auto room = [this](Lane lane) {
    const auto at = static_cast<std::size_t>(lane);
    return at_work_[at] < most_at_work[at];
  };
  const auto begin = [this](Lane lane) { ++at_work_[static_cast<std::size_t>(lane)]; };
  begin_loads();
  begin_orders(to_make_awaited_, Lane::internal,
               most_at_work[static_cast<std::size_t>(Lane::internal)]);
  begin_orders(to_make_, Lane::internal, most_made_ahead);
  while (!to_order_.empty() && room(Lane::order)) {
    EntryPointer entry = std::move(to_order_.begin()->second);
    to_order_.erase(to_order_.begin());
    if (entry->phase != Entry::Phase::to_order) continue;
    begin(Lane::order);
    entry->phase = Entry::Phase::ordering;
    crew_.add(order(std::move(entry), Lane::order));
  }
  begin_orders(to_order_on_demand_, Lane::on_demand,
               most_at_work[static_cast<std::size_t>(Lane::on_demand)]);
}

/// Passes over those that were brought forward, or need none any more.
void Keeper::begin_orders(std::deque<EntryPointer>& queue, Lane lane, std::size_t most) {
  std::size_t& at_work = at_work_[static_cast<std::size_t>(lane)];
  while (!queue.empty() && at_work < most) {
    EntryPointer entry = std::move(queue.front());
    queue.pop_front();
    if (entry->phase != Entry::Phase::to_order) continue;
    ++at_work;
    entry->phase = Entry::Phase::ordering;
    crew_.add(order(std::move(entry), lane));
  }
}

awaitable<void> Keeper::watch() {
  for (;;) {
    wake_.expires_at(Steady::max());  // wake() from here on ends the wait below at once
    const Wall now = parts_.clock.wall();
    while (!due_.empty() && due_.begin()->first <= now) {
      const EntryPointer entry = entries_.at(due_.begin()->second->host);
      if (entry->wanted.mode == TlsMode::files)
        for (Slot& slot : entry->slots) slot.stock = Standing::Stock::unknown;
      entry->phase = Entry::Phase::resting;
      settle(entry);
    }
    pump();
    Wall::duration pause = longest_sleep;
    if (!due_.empty()) pause = std::min(pause, due_.begin()->first - now);
    const Steady until = parts_.clock.steady() + std::chrono::ceil<Steady::duration>(pause);
    auto asleep = parts_.clock.wait_until(until);
    auto woken = drop(wake_.async_wait(as_result));
    co_await race(std::move(asleep), std::move(woken));
  }
}

}  // namespace gatehouse::acme
