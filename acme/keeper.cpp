#include "acme/keeper.hpp"

#include <algorithm>

#include "acme/detail/keeper_entry.hpp"
#include "core/base/host.hpp"

namespace gatehouse::acme {
namespace {

using config::TlsMode;

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
  for (const Wanted& wanted : plan_.wanted)  // in the order of the file
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
  for (const std::string& word : wanted.acme->ca) {
    const auto at = plan_.cas.find(word);
    if (at != plan_.cas.end() && at->second.issuer != nullptr) choices.push_back(at->second);
  }
  return choices;
}

std::string Keeper::recipe_of(const Wanted& wanted) const {
  std::string recipe = std::to_string(static_cast<int>(wanted.mode));
  for (const CaChoice& ca : cas_of(wanted)) recipe += "\n" + ca.issuer->storage_name();
  recipe += "\n";
  for (const std::string& type : wanted.acme->key_type) recipe += " " + type;
  return recipe + "\n" + wanted.cert + "\n" + wanted.key;
}

void Keeper::rebuild(Entry& entry) {
  ++entry.generation;
  if (entry.has_certificate()) entry.outdated = entry.served.lock();
  entry.recipe = recipe_of(entry.wanted);
  entry.slots.clear();
  entry.stamp.clear();
  std::vector<std::string> types = entry.wanted.acme->key_type;
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
  if (entry->busy()) return;
  if (wanted.mode == TlsMode::files)  // a reload looks at them
    for (Slot& slot : entry->slots) slot.stock = Standing::Stock::unknown;
  schedule(entry);
}

void Keeper::retire(const EntryPointer& entry) {
  if (entry->kind == Entry::Kind::retired) return;
  if (entry->kind == Entry::Kind::lazy) lazy_.erase(entry->lazy_place);
  entry->kind = Entry::Kind::retired;
  entry->served.reset();
  entry->served_until.reset();
  entry->outdated.reset();
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
  if (slot.known) {
    const Lifetime& lifetime = slot.known->lifetime;
    status.not_before = lifetime.not_before;
    status.not_after = lifetime.not_after;
    const bool unusable = slot.stock == Standing::Stock::refused && slot.certificate() == nullptr;
    status.state = unusable                                    ? CertificateState::refused
                   : lifetime.not_after <= parts_.clock.wall() ? CertificateState::expired
                   : ordering                                  ? CertificateState::renewing
                   : !slot.last_error.empty()                  ? CertificateState::failing
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
  to_load_awaited_.clear();
  to_order_.clear();
  to_order_on_demand_.clear();
  to_make_.clear();
  to_make_awaited_.clear();
  due_.clear();
}

}  // namespace gatehouse::acme
