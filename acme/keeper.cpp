#include "acme/keeper.hpp"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>

#include "acme/detail/keeper_entry.hpp"
#include "core/base/host.hpp"
#include "core/base/log.hpp"
#include "core/net/within.hpp"

namespace gatehouse::acme {
namespace {

using namespace std::chrono_literals;
using config::TlsMode;

constexpr std::array<std::size_t, 4> most_at_work{1024, 16, 8, 8};  // by Lane
// The longest the schedule sleeps: a machine that was suspended or whose date jumped is noticed
// after so long.
constexpr auto longest_sleep = 60s;
constexpr auto elsewhere_pause = 2s;
constexpr auto files_look = 60s;

/// A handshake that waits, counted while it does.
class Waiter {
 public:
  explicit Waiter(std::size_t& count) : count_(count) { ++count_; }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() { --count_; }

 private:
  std::size_t& count_;
};

bool starts_by_itself(const Wanted& wanted) {
  switch (wanted.mode) {
    case TlsMode::files:
      return true;
    case TlsMode::acme:
      return wanted.host != "*";
    case TlsMode::internal:
      return wanted.host.find('*') == std::string::npos;
    case TlsMode::on_demand:
    case TlsMode::off:
    case TlsMode::passthrough:
      return false;
  }
  return false;
}

bool starts_when_asked(const Wanted& wanted) {
  return wanted.mode == TlsMode::on_demand ||
         (wanted.mode == TlsMode::internal && !starts_by_itself(wanted));
}

}  // namespace

std::string_view name(CertificateState state) {
  switch (state) {
    case CertificateState::unknown:
      return "unknown";
    case CertificateState::absent:
      return "absent";
    case CertificateState::ordering:
      return "ordering";
    case CertificateState::live:
      return "live";
    case CertificateState::renewing:
      return "renewing";
    case CertificateState::failing:
      return "failing";
    case CertificateState::expired:
      return "expired";
    case CertificateState::refused:
      return "refused";
  }
  return "";
}

Keeper::Keeper(Parts parts)
    : parts_(std::move(parts)),
      gate_(parts_.clock, parts_.ask),
      crew_(parts_.control),
      wake_(parts_.control, Steady::max()) {}

Keeper::~Keeper() = default;

// --- what is wanted --------------------------------------------------------------------------

void Keeper::reconcile(Plan plan) {
  if (mode_ == Mode::stopping) return;
  plan_ = std::move(plan);
  gate_.configure(plan_.on_demand);
  ca_trouble_.clear();  // what was wrong with a CA may be what the operator just mended
  wanted_.clear();
  for (const Wanted& wanted : plan_.wanted) wanted_.insert_or_assign(wanted.host, wanted);
  std::vector<EntryPointer> known;
  for (const auto& [host, entry] : entries_) known.push_back(entry);
  for (const EntryPointer& entry : known) {
    const Wanted* cover = cover_of(entry->host);
    if (cover != nullptr && starts_by_itself(*cover) && cover->host == entry->host) continue;
    if (cover == nullptr || !starts_when_asked(*cover)) {
      retire(entry);
      continue;
    }
    Wanted wanted = *cover;
    wanted.host = entry->host;
    adopt(wanted);
  }
  for (const auto& [host, wanted] : wanted_)
    if (starts_by_itself(wanted)) adopt(wanted);
  if (mode_ == Mode::idle) {
    mode_ = Mode::running;
    crew_.add(watch());
    crew_.add(patrol());
  }
  pump();
  wake();
}

std::vector<CaChoice> Keeper::cas_of(const Wanted& wanted) const {
  if (wanted.mode == TlsMode::files) return {};
  if (wanted.mode == TlsMode::internal) {
    if (plan_.internal == nullptr) return {};
    return {CaChoice{plan_.internal, nullptr}};
  }
  std::vector<CaChoice> choices;
  for (const std::string& word : wanted.acme.ca) {
    const auto at = plan_.cas.find(word);
    if (at != plan_.cas.end() && at->second.issuer != nullptr) choices.push_back(at->second);
  }
  return choices;
}

std::string Keeper::recipe_of(const Wanted& wanted) const {
  std::string recipe = std::to_string(static_cast<int>(wanted.mode));
  for (const CaChoice& ca : cas_of(wanted)) recipe += "\n" + ca.issuer->storage_name();
  recipe += "\n";
  for (const std::string& type : wanted.acme.key_type) recipe += " " + type;
  return recipe + "\n" + wanted.cert + "\n" + wanted.key;
}

void Keeper::rebuild(Entry& entry) {
  ++entry.generation;
  entry.recipe = recipe_of(entry.wanted);
  entry.slots.clear();
  entry.stamp.clear();
  std::vector<std::string> types = entry.wanted.acme.key_type;
  if (entry.wanted.mode == TlsMode::files || types.empty()) types = {"p256"};
  const std::size_t cas = cas_of(entry.wanted).size();
  for (std::string& type : types) {
    Slot slot;
    slot.key_type = std::move(type);
    slot.backoffs.resize(cas);
    // Internal leaves are made faster than they are read: storage has none of them.
    if (entry.wanted.mode == TlsMode::internal) slot.stock = Standing::Stock::none;
    entry.slots.push_back(std::move(slot));
  }
}

void Keeper::adopt(const Wanted& wanted) {
  const Entry::Kind kind = wanted_.contains(wanted.host) && starts_by_itself(wanted)
                               ? Entry::Kind::configured
                               : Entry::Kind::lazy;
  const auto at = entries_.find(wanted.host);
  EntryPointer entry;
  if (at == entries_.end()) {
    entry = std::make_shared<Entry>();
    entry->host = wanted.host;
    entry->phase = Entry::Phase::resting;
    entries_.emplace(wanted.host, entry);
  } else {
    entry = at->second;
    if (entry->kind == Entry::Kind::lazy) lazy_.erase(entry->lazy_place);
  }
  entry->kind = kind;
  if (kind == Entry::Kind::lazy) entry->lazy_place = lazy_.insert(lazy_.end(), entry->host);
  entry->wanted = wanted;
  if (entry->recipe != recipe_of(wanted)) rebuild(*entry);
  if (!entry->busy()) schedule(entry);
}

void Keeper::retire(const EntryPointer& entry) {
  if (entry->kind == Entry::Kind::retired) return;
  if (entry->kind == Entry::Kind::lazy) lazy_.erase(entry->lazy_place);
  entry->kind = Entry::Kind::retired;
  entry->served.reset();
  crew_.add(parts_.outlet.withdraw(entry->host));
  if (!entry->busy() || entry->phase == Entry::Phase::elsewhere) forget(entry);
}

void Keeper::forget(const EntryPointer& entry) {
  if (entry->due) due_.erase({*entry->due, entry.get()});
  entry->due.reset();
  entry->phase = Entry::Phase::resting;
  if (entry->kind == Entry::Kind::lazy) lazy_.erase(entry->lazy_place);
  entry->kind = Entry::Kind::retired;
  const EntryPointer alive = entry;  // the map may hold the last other reference
  const auto at = entries_.find(alive->host);
  if (at != entries_.end() && at->second == alive) entries_.erase(at);
  ring(*alive);
}

const Wanted* Keeper::cover_of(const std::string& host) const {
  for (const std::string& covering : {host, wildcard_of(host), std::string("*")}) {
    const auto at = wanted_.find(covering);
    if (at != wanted_.end()) return &at->second;
  }
  return nullptr;
}

Result<void> Keeper::renew(const std::string& host) {
  const auto at = entries_.find(host);
  if (at == entries_.end() || at->second->wanted.mode == TlsMode::files)
    return Error(Fault::not_found, Side::self, host + ": no certificate that can be renewed");
  for (Slot& slot : at->second->slots) slot.forced = true;
  if (!at->second->busy()) schedule(at->second);
  pump();
  return {};
}

// --- who waits -------------------------------------------------------------------------------

awaitable<Result<tls::CertificateHandle>> Keeper::obtain(std::string host,
                                                         asio::ip::address client) {
  auto work = obtain_here(std::move(host), std::move(client));
  // The caller may be on a worker: a cancellation there must not reach into this thread's frames.
  // The wait is bounded by `wait`, and stop() ends it.
  auto uncancelled = asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable);
  co_return co_await asio::co_spawn(parts_.control, std::move(work), std::move(uncancelled));
}

tls::CertificateHandle Keeper::servable(const Entry& entry) const {
  if (entry.served != nullptr && entry.served->not_after > parts_.clock.wall()) return entry.served;
  return nullptr;
}

Keeper::EntryPointer Keeper::make_lazy(const std::string& host, const Wanted& cover) {
  if (lazy_.size() >= most_lazy) {
    // The oldest that rests leaves; workers ask for it again when somebody comes.
    for (const std::string& oldest : lazy_) {
      const EntryPointer entry = entries_.at(oldest);
      if (entry->busy()) continue;
      retire(entry);
      break;
    }
  }
  auto& entry = entries_[host];
  if (entry == nullptr) {
    entry = std::make_shared<Entry>();
    entry->host = host;
    entry->phase = Entry::Phase::admitting;
  }
  entry->kind = Entry::Kind::lazy;
  entry->lazy_place = lazy_.insert(lazy_.end(), host);
  entry->wanted = cover;
  entry->wanted.host = host;
  rebuild(*entry);
  return entry;
}

Result<Keeper::EntryPointer> Keeper::entry_for(const std::string& host,
                                               const asio::ip::address& client) {
  const auto at = entries_.find(host);
  if (at != entries_.end() && at->second->kind != Entry::Kind::retired) return at->second;
  const Wanted* cover = cover_of(host);
  if (cover == nullptr) return Error(Fault::not_found, Side::client, host + ": no site");
  switch (cover->mode) {
    case TlsMode::off:
    case TlsMode::passthrough:
      return Error(Fault::not_found, Side::client, host + ": no TLS here");
    case TlsMode::acme:
    case TlsMode::files: {
      const auto covering = entries_.find(cover->host);
      if (covering != entries_.end()) return covering->second;
      return Error(Fault::not_found, Side::client, host + ": no certificate covers it");
    }
    case TlsMode::internal: {
      const auto normal = normal_host(host);
      if (!normal || *normal != host)
        return Error(Fault::denied, Side::client, log::escaped(host, 300) + ": no host name");
      break;
    }
    case TlsMode::on_demand: {
      // What the operator lists may be a local name: a CA of his own certifies those.
      auto good = gate_.lists(host) ? Result<void>() : check_on_demand_name(host);
      if (!good) return good.error();
      if (auto known = gate_.remembered(host)) return *known;
      break;
    }
  }
  if (at != entries_.end())  // its last work is ending; the next handshake finds it gone
    return Error(Fault::refused, Side::self, host + ": is being given up");
  const std::size_t most = gate_.settings().max_waiting;
  auto& admitting = at_work_[static_cast<std::size_t>(Lane::admit)];
  if (admitting + to_order_on_demand_.size() >= std::max<std::size_t>(most, 1))
    return Error(Fault::limit, Side::client, host + ": max_waiting new names are under way");
  const EntryPointer entry = make_lazy(host, *cover);
  ++admitting;
  crew_.add(admit(entry, client));
  return entry;
}

awaitable<Result<tls::CertificateHandle>> Keeper::obtain_here(std::string host,
                                                              asio::ip::address client) {
  if (mode_ != Mode::running) co_return Error(Fault::closed, Side::self, "keeper is stopped");
  const auto at = entries_.find(host);
  const bool known = at != entries_.end() && servable(*at->second) != nullptr;
  if (!known && waiting_ >= gate_.settings().max_waiting)
    co_return Error(Fault::limit, Side::client, host + ": max_waiting handshakes wait");
  auto entry = entry_for(host, client);
  if (!entry) co_return entry.error();
  if ((*entry)->unasked) {
    auto deciding = gate_.decide(host, client, AskReason::load);
    auto allowed = co_await std::move(deciding);
    if (!allowed) co_return allowed.error();
    entry = entry_for(host, client);  // that one may have come to its end meanwhile
    if (!entry) co_return entry.error();
    (*entry)->unasked = false;
    auto publishing = publish(*entry);
    co_await std::move(publishing);
  }
  auto here = servable(**entry);
  if (here == nullptr) co_return co_await wait_for(std::move(*entry));
  // A worker had no room for it, or came late: it is given to all of them again.
  auto again = publish(*entry);
  co_await std::move(again);
  co_return here;
}

awaitable<Result<tls::CertificateHandle>> Keeper::wait_for(EntryPointer entry) {
  const Waiter counted(waiting_);
  const Steady deadline = parts_.clock.steady() + gate_.settings().wait;
  while (entry->busy() && servable(*entry) == nullptr && mode_ == Mode::running) {
    auto ring_once = rung(entry);
    auto heard = co_await net::within(parts_.clock, deadline, Side::self, std::move(ring_once));
    if (!heard) co_return std::move(heard).error().within(entry->host);
  }
  auto certificates = servable(*entry);
  if (certificates != nullptr) co_return certificates;
  if (mode_ != Mode::running) co_return Error(Fault::closed, Side::self, "keeper is stopped");
  if (entry->failure) co_return *entry->failure;
  co_return Error(Fault::not_found, Side::self, entry->host + ": no certificate");
}

awaitable<Result<bool>> Keeper::rung(EntryPointer entry) {
  struct Place {
    std::list<asio::steady_timer*>& waiters;
    std::list<asio::steady_timer*>::iterator at;
    Place(std::list<asio::steady_timer*>& list, asio::steady_timer& timer)
        : waiters(list), at(list.insert(list.end(), &timer)) {}
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() { waiters.erase(at); }
  };
  asio::steady_timer parked(parts_.control, Steady::max());  // ring() or cancellation ends it
  const Place place(entry->waiters, parked);
  co_await parked.async_wait(as_result);
  co_return true;
}

void Keeper::ring(Entry& entry) {
  for (asio::steady_timer* waiter : entry.waiters) waiter->cancel();
}

// --- what is due -----------------------------------------------------------------------------

Standing Keeper::standing_of(const Entry& entry, const Slot& slot) const {
  Standing standing;
  standing.stock = slot.stock;
  standing.look_again = slot.look_again;
  if (slot.certificate != nullptr)
    standing.lifetime = {slot.certificate->not_before(), slot.certificate->not_after()};
  standing.renew_share = entry.wanted.acme.renew_at;
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

void Keeper::schedule(const EntryPointer& entry) {
  if (mode_ == Mode::stopping) return;
  const Wall now = parts_.clock.wall();
  if (entry->phase == Entry::Phase::elsewhere) return rest(entry, now + elsewhere_pause);
  if (entry->due) due_.erase({*entry->due, entry.get()});
  entry->due.reset();
  entry->phase = Entry::Phase::resting;
  const Choice choice = choose(*entry);
  if (choice.load) {
    entry->phase = Entry::Phase::to_load;
    to_load_.push_back(entry);
  } else if (choice.order) {
    entry->phase = Entry::Phase::to_order;
    if (entry->kind == Entry::Kind::lazy && !entry->unasked && servable(*entry) == nullptr)
      to_order_on_demand_.push_back(entry);
    else
      to_order_.emplace(std::pair(choice.order->urgency, ++sequence_), entry);
  } else {
    rest(entry, choice.soonest);
  }
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
  if (entry->kind == Entry::Kind::lazy && !entry->busy() && servable(*entry) == nullptr) {
    // Nothing to keep: the reason is remembered for as long as the back-off says.
    const Wall now = parts_.clock.wall();
    const Error error = entry->failure.value_or(
        Error(Fault::not_found, Side::self, entry->host + ": no certificate"));
    if (entry->wanted.mode == TlsMode::on_demand && entry->due && error.side() == Side::ca)
      gate_.remember_failure(
          entry->host, error,
          parts_.clock.steady() + std::clamp<Wall::duration>(*entry->due - now, 1s, 24h));
    if (entry->served != nullptr) crew_.add(parts_.outlet.withdraw(entry->host));
    forget(entry);
    return;
  }
  const bool unpublished =
      entry->served == nullptr &&
      std::any_of(entry->slots.begin(), entry->slots.end(),
                  [](const Slot& slot) { return slot.certificate != nullptr; });
  if (unpublished) crew_.add(publish(entry));
  ring(*entry);
}

void Keeper::pump() {
  if (mode_ != Mode::running) return;
  const auto room = [this](Lane lane) {
    const auto at = static_cast<std::size_t>(lane);
    return at_work_[at] < most_at_work[at];
  };
  const auto begin = [this](Lane lane) { ++at_work_[static_cast<std::size_t>(lane)]; };
  while (!to_load_.empty() && room(Lane::load)) {
    EntryPointer entry = std::move(to_load_.front());
    to_load_.pop_front();
    begin(Lane::load);
    entry->phase = Entry::Phase::loading;
    crew_.add(look_up(std::move(entry)));
  }
  while (!to_order_.empty() && room(Lane::order)) {
    EntryPointer entry = std::move(to_order_.begin()->second);
    to_order_.erase(to_order_.begin());
    begin(Lane::order);
    entry->phase = Entry::Phase::ordering;
    crew_.add(order(std::move(entry), Lane::order));
  }
  while (!to_order_on_demand_.empty() && room(Lane::on_demand)) {
    EntryPointer entry = std::move(to_order_on_demand_.front());
    to_order_on_demand_.pop_front();
    begin(Lane::on_demand);
    entry->phase = Entry::Phase::ordering;
    crew_.add(order(std::move(entry), Lane::on_demand));
  }
}

awaitable<void> Keeper::watch() {
  using namespace asio::experimental::awaitable_operators;
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
    auto asleep = parts_.clock.sleep_until(until);
    auto woken = wake_.async_wait(as_result);
    co_await (std::move(asleep) || std::move(woken));
  }
}

// --- for people ------------------------------------------------------------------------------

CertificateStatus Keeper::status_of(const Entry& entry, const Slot& slot) const {
  CertificateStatus status;
  status.host = entry.host;
  status.key_type = slot.key_type;
  status.issuer = slot.ca;
  status.site = entry.wanted.site;
  status.last_error = slot.last_error;
  status.next_action = entry.due;
  status.serial = slot.meta.serial;
  for (const Backoff& backoff : slot.backoffs)
    status.attempts = std::max(status.attempts, backoff.attempts);
  const bool ordering =
      entry.phase == Entry::Phase::ordering && &entry.slots[entry.ordered_slot] == &slot;
  if (slot.certificate != nullptr) {
    status.not_before = slot.certificate->not_before();
    status.not_after = slot.certificate->not_after();
    status.state = slot.certificate->not_after() <= parts_.clock.wall() ? CertificateState::expired
                   : ordering                                           ? CertificateState::renewing
                   : !slot.last_error.empty()                           ? CertificateState::failing
                                                                        : CertificateState::live;
    return status;
  }
  status.state = slot.stock == Standing::Stock::unknown   ? CertificateState::unknown
                 : slot.stock == Standing::Stock::refused ? CertificateState::refused
                 : ordering                               ? CertificateState::ordering
                 : !slot.last_error.empty()               ? CertificateState::failing
                                                          : CertificateState::absent;
  return status;
}

std::vector<CertificateStatus> Keeper::status() const {
  std::vector<CertificateStatus> all;
  for (const auto& [host, entry] : entries_)
    for (const Slot& slot : entry->slots) all.push_back(status_of(*entry, slot));
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.host < b.host; });
  return all;
}

awaitable<void> Keeper::stop() {
  mode_ = Mode::stopping;
  for (const auto& [host, entry] : entries_) ring(*entry);
  crew_.stop();
  auto quiet = crew_.gone();
  co_await std::move(quiet);
  // What never began has no task to forget it.
  to_load_.clear();
  to_order_.clear();
  to_order_on_demand_.clear();
  due_.clear();
}

}  // namespace gatehouse::acme
