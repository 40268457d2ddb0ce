// What the keeper orders: whether it may, under which lease, and what becomes of the outcome.
#include <algorithm>

#include "acme/backoff.hpp"
#include "acme/detail/keeper_entry.hpp"
#include "acme/keeper.hpp"
#include "core/base/log.hpp"
#include "core/base/race.hpp"
#include "core/base/time_format.hpp"

namespace gatehouse::acme {
namespace {

using namespace std::chrono_literals;
using config::TlsMode;

constexpr auto ask_again_after = 1h;  // whoever refused a renewal
constexpr auto yes_holds = 5min;      // from the decision until the order's turn comes
constexpr std::uint64_t jitter_steps = 10'000;

Error storage_error(const Error& error) {
  return Error(error.fault(), Side::self, "storage: " + error.detail());
}

Error error_of(const IssueFailure& failure) {
  std::string detail = failure.detail;
  if (!failure.problem.empty()) detail = failure.problem + ": " + detail;
  return Error(Fault::refused, Side::ca, std::move(detail));
}

IssueFailure failure_here(std::string detail) {
  IssueFailure failure;
  failure.retry = Retry::later;
  failure.detail = std::move(detail);
  return failure;
}

}  // namespace

/// The lease on a name while we work on it. Dropped without give_back() (shutdown), it is given
/// back by a helper.
class Keeper::Leased {
 public:
  Leased(std::shared_ptr<Storage> storage, HelperPool& helpers, Storage::Lease lease)
      : storage_(std::move(storage)), helpers_(helpers), lease_(std::move(lease)) {}
  Leased(const Leased&) = delete;
  Leased& operator=(const Leased&) = delete;
  ~Leased() {
    if (lease_.token.empty()) return;
    asio::post(helpers_.executor(),
               [storage = storage_, lease = lease_] { storage->release_lease(lease); });
  }

  awaitable<void> give_back() {
    auto job = [storage = storage_, lease = lease_] {
      storage->release_lease(lease);
      return true;
    };
    co_await helpers_.run(std::move(job));
    lease_.token.clear();
  }

  /// Renews the lease for as long as it runs; returns when it is lost.
  awaitable<bool> hold(Clock& clock) {
    for (;;) {
      co_await clock.sleep_until(clock.steady() + storage_->lease_length() / 3);
      auto job = [storage = storage_, lease = lease_] { return storage->renew_lease(lease); };
      auto renewed = co_await helpers_.run(std::move(job));
      if (renewed)
        lease_ = std::move(*renewed);
      else if (renewed.error().fault() == Fault::refused)
        co_return false;
      else
        log::warn("lease could not be renewed", {{"why", renewed.error().detail()}});
    }
  }

 private:
  std::shared_ptr<Storage> storage_;
  HelperPool& helpers_;
  Storage::Lease lease_;
};

// --- on demand -------------------------------------------------------------------------------

void Keeper::give_up(const EntryPointer& entry, Error error) {
  entry->failure = std::move(error);
  if (entry->kind == Entry::Kind::lazy) lazy_.erase(entry->lazy_place);
  entry->kind = Entry::Kind::retired;
}

awaitable<void> Keeper::admit(EntryPointer entry, asio::ip::address client) {
  const Task task(*this, entry, Lane::admit);
  if (entry->wanted.mode != TlsMode::on_demand) co_return;
  auto deciding = gate_.decide(entry->host, client, AskReason::issue);
  auto allowed = co_await std::move(deciding);
  if (!allowed) {
    log::info("issuance denied", {{"name", entry->host}, {"why", allowed.error().detail()}});
    AuditLog::Fields fields{
        {"name", entry->host}, {"client", client.to_string()}, {"why", allowed.error().detail()}};
    parts_.audit.note("issuance denied", std::move(fields));
    if (entry->kind == Entry::Kind::lazy) give_up(entry, allowed.error());
    co_return;
  }
  entry->allowed_until = parts_.clock.wall() + yes_holds;
  auto loading = load_slots(entry);
  co_await std::move(loading);
  if (entry->kind != Entry::Kind::lazy || serves(*entry)) co_return;
  const Choice choice = choose(*entry);
  if (!choice.order) {  // the back-off of an earlier failure, from storage; or the CA's limits
    explain_wait(*entry, choice.soonest);
    co_return;
  }
  auto spent = gate_.spend(entry->host, client);
  if (spent) co_return;
  log::warn("issuance limited", {{"name", entry->host}, {"why", spent.error().detail()}});
  give_up(entry, spent.error());
}

awaitable<bool> Keeper::still_allowed(EntryPointer entry) {
  auto deciding = gate_.decide(entry->host, asio::ip::address(), AskReason::renew);
  auto allowed = co_await std::move(deciding);
  if (allowed) {
    entry->allowed_until = parts_.clock.wall() + yes_holds;
    co_return true;
  }
  log::info("renewal denied", {{"name", entry->host}, {"why", allowed.error().detail()}});
  AuditLog::Fields fields{{"name", entry->host}, {"why", allowed.error().detail()}};
  parts_.audit.note("renewal denied", std::move(fields));
  entry->failure = allowed.error();
  // Served on until it expires. At that moment the rest ends, and with it the name.
  Wall until = parts_.clock.wall() + ask_again_after;
  if (serves(*entry)) until = std::min(until, *entry->served_until);
  entry->held_back_until = until;
  co_return false;
}

// --- orders ----------------------------------------------------------------------------------

awaitable<Keeper::LeasePointer> Keeper::take_lease(EntryPointer entry) {
  auto job = [storage = parts_.storage, host = entry->host] { return storage->take_lease(host); };
  auto lease = co_await parts_.helpers.run(std::move(job));
  if (lease) co_return std::make_shared<Leased>(parts_.storage, parts_.helpers, std::move(*lease));
  if (lease.error().fault() == Fault::refused) {
    // Another process works on this name; what it gets will be in storage.
    log::debug("name is held elsewhere", {{"name", entry->host}, {"why", lease.error().detail()}});
    entry->phase = Entry::Phase::elsewhere;
    for (Slot& slot : entry->slots) slot.stock = Standing::Stock::unknown;
  } else {
    // Storage that takes no lease would take no certificate: no order is spent on it.
    log::error("storage could not be written", {{"why", lease.error().detail()}});
    entry->failure = storage_error(lease.error());
    entry->held_back_until = parts_.clock.wall() + look_again_after;
  }
  co_return nullptr;
}

awaitable<void> Keeper::order(EntryPointer entry, Lane lane) {
  const Task task(*this, entry, lane);
  if (entry->kind == Entry::Kind::retired) co_return;
  if (entry->wanted.mode == TlsMode::on_demand && entry->allowed_until <= parts_.clock.wall()) {
    const bool allowed = co_await still_allowed(entry);
    if (!allowed) co_return;
  }
  LeasePointer lease;
  if (entry->wanted.mode != TlsMode::internal) {
    lease = co_await take_lease(entry);
    if (lease == nullptr) co_return;
    // Whoever held the lease before may have done our work.
    auto loading = load_slots(entry);
    co_await std::move(loading);
    auto opening = open_ledgers(entry);
    co_await std::move(opening);
  }
  auto ordering = order_held(entry, lease);
  co_await std::move(ordering);
  if (lease == nullptr) co_return;
  auto giving_back = lease->give_back();
  co_await std::move(giving_back);
}

awaitable<void> Keeper::order_held(EntryPointer entry, LeasePointer lease) {
  for (std::size_t turn = 0; turn < entry->slots.size(); ++turn) {
    if (entry->kind == Entry::Kind::retired) co_return;
    // A reload may have turned it into what needs no lease, or the reverse.
    const bool internal = entry->wanted.mode == TlsMode::internal;
    if (internal != (lease == nullptr)) co_return;
    const Choice choice = choose(*entry);
    if (!choice.order) {
      explain_wait(*entry, choice.soonest);
      co_return;
    }
    auto ordering = order_slot(entry, choice.slot, choice.order->ca, lease);
    co_await std::move(ordering);
  }
}

IssueRequest Keeper::request_for(const Entry& entry, std::size_t slot) const {
  const config::AcmeSettings& settings = *entry.wanted.acme;
  IssueRequest request;
  request.key_type = entry.slots[slot].key_type;
  request.host = order_file(entry.host, slot, request.key_type);
  request.names = {entry.host};
  request.profile = settings.profile;
  request.preferred_chain = settings.preferred_chain;
  request.challenges = settings.challenges;
  request.email = settings.email;
  request.reuse_key = settings.reuse_key;
  if (const auto before = entry.slots[slot].certificate(); settings.reuse_key && before != nullptr)
    request.previous_key_pem = before->key().to_pem();
  return request;
}

awaitable<void> Keeper::order_slot(EntryPointer entry, std::size_t slot, std::size_t ca,
                                   LeasePointer lease) {
  const std::uint64_t generation = entry->generation;
  const CaChoice choice = cas_of(entry->wanted)[ca];
  entry->ordered_slot = slot;
  const std::string folder = choice.issuer->storage_name();
  log::info("certificate ordered",
            {{"name", entry->host}, {"ca", folder}, {"key_type", entry->slots[slot].key_type}});
  AuditLog::Fields fields{
      {"name", entry->host}, {"ca", folder}, {"key_type", entry->slots[slot].key_type}};
  parts_.audit.note("certificate ordered", std::move(fields));
  const bool staging_first = entry->slots[slot].backoffs[ca].attempts > 0;
  const Expense expense = expense_of(*entry, entry->slots[slot], folder);
  auto issuing = issue(choice, request_for(*entry, slot), lease, staging_first, expense);
  auto outcome = co_await std::move(issuing);
  if (outcome) {
    auto accepting = accept(entry, slot, generation, ca, std::move(*outcome));
    co_await std::move(accepting);
  } else {
    auto refusing = refuse(entry, slot, generation, ca, outcome.error());
    co_await std::move(refusing);
  }
}

awaitable<IssueOutcome> Keeper::issue(CaChoice choice, IssueRequest request, LeasePointer lease,
                                      bool staging_first, Expense expense) {
  // After a failure the CA's test endpoint is asked first: what fails there would fail here too,
  // and costs nothing of the limits.
  if (staging_first && choice.staging != nullptr) {
    auto trying = issue_under(choice.staging, request, lease);
    auto tried = co_await std::move(trying);
    if (!tried) co_return tried.error();
    auto job = [storage = parts_.storage, ca = choice.staging->storage_name(),
                host = request.host] { return storage->remove_order(ca, host); };
    auto removed = co_await parts_.helpers.run(std::move(job));
    if (!removed) log::warn("test order could not be removed", {{"why", removed.error().detail()}});
  }
  auto first = issue_under(choice.issuer, request, lease);
  auto outcome = co_await std::move(first);
  count(choice.issuer->storage_name(), expense, outcome);
  if (outcome || outcome.error().retry != Retry::now) co_return outcome;
  auto second = issue_under(choice.issuer, std::move(request), lease);
  outcome = co_await std::move(second);
  count(choice.issuer->storage_name(), expense, outcome);
  co_return outcome;
}

namespace {

/// `||` waits for its other side when one throws: a failure that is none of cancellation becomes a
/// value here.
awaitable<IssueOutcome> issue_as_value(std::shared_ptr<Issuer> issuer, IssueRequest request) {
  std::string what;
  try {
    auto issuing = issuer->issue(std::move(request));
    co_return co_await std::move(issuing);
  } catch (const std::exception& thrown) {
    what = thrown.what();
  }
  co_return failure_here("issuer failed: " + what);
}

}  // namespace

awaitable<IssueOutcome> Keeper::issue_under(std::shared_ptr<Issuer> issuer, IssueRequest request,
                                            LeasePointer lease) {
  auto issuing = issue_as_value(std::move(issuer), std::move(request));
  if (lease == nullptr) co_return co_await std::move(issuing);
  auto holding = lease->hold(parts_.clock);
  std::optional<IssueOutcome> outcome;
  auto kept = keep(std::move(issuing), outcome);
  auto held = drop(std::move(holding));
  const auto first = co_await race(std::move(kept), std::move(held));
  if (first == 0) co_return std::move(*outcome);
  co_return failure_here("the lease was lost to another process");
}

awaitable<void> Keeper::accept(EntryPointer entry, std::size_t slot, std::uint64_t generation,
                               std::size_t ca, Issued issued) {
  const bool keeps = entry->wanted.mode != TlsMode::internal;
  const double jitter =
      static_cast<double>(parts_.entropy.below(jitter_steps)) / static_cast<double>(jitter_steps);
  std::vector<std::string> folders;
  for (const CaChoice& one : cas_of(entry->wanted)) folders.push_back(one.issuer->storage_name());
  const std::string type = entry->slots.size() > slot ? entry->slots[slot].key_type : "p256";
  auto job = [storage = parts_.storage, host = entry->host, site = entry->wanted.site,
              file = order_file(entry->host, slot, type), type, jitter, keeps,
              folders = std::move(folders), issued]() -> Result<Hit> {
    Hit hit{issued.certificate, issued.ca, {}};
    if (!holds(*hit.certificate, host))
      return Error(Fault::bad_message, Side::ca, "the certificate does not name " + host);
    hit.meta.names = hit.certificate->names();
    hit.meta.serial = hit.certificate->serial_hex();
    hit.meta.not_before = hit.certificate->not_before();
    hit.meta.not_after = hit.certificate->not_after();
    hit.meta.jitter = jitter;
    hit.meta.sites = {site};
    if (!keeps) return hit;
    const StoredCertificate pair{issued.certificate->chain_pem(), issued.key_pem, hit.meta,
                                 issued.certificate};
    auto saved = storage->save_certificate({issued.ca, host, type}, pair);
    if (!saved) return saved.error();
    // Durable: order and back-off have done their service.
    for (const std::string& folder : folders) {
      auto removed = storage->remove_order(folder, file);
      if (!removed) log::warn("order could not be removed", {{"why", removed.error().detail()}});
    }
    return hit;
  };
  auto hit = co_await parts_.helpers.run(std::move(job));
  if (!hit) {
    // Not live before it is durable. The finished order is still there and is downloaded again.
    auto refusing = refuse(entry, slot, generation, ca, failure_here(hit.error().detail()));
    co_await std::move(refusing);
    co_return;
  }
  ca_trouble_.erase(issued.ca);
  const bool renewed = generation == entry->generation && entry->slots[slot].known.has_value();
  const std::string not_after = rfc3339_seconds(hit->certificate->not_after());
  log::info(renewed ? "certificate renewed" : "certificate issued",
            {{"name", entry->host}, {"ca", issued.ca}, {"not_after", not_after}});
  AuditLog::Fields fields{{"name", entry->host},
                          {"ca", issued.ca},
                          {"serial", hit->meta.serial},
                          {"not_after", not_after}};
  parts_.audit.note(renewed ? "certificate renewed" : "certificate issued", std::move(fields));
  if (generation != entry->generation) co_return;  // stored, and loaded from there
  Slot& filled = entry->slots[slot];
  filled.take(std::move(hit->certificate));
  filled.ca = std::move(hit->ca);
  filled.meta = std::move(hit->meta);
  filled.stock = Standing::Stock::held;
  filled.last_error.clear();
  filled.forced = false;
  std::fill(filled.backoffs.begin(), filled.backoffs.end(), Backoff());
  entry->failure.reset();
  if (renewal_time(filled.known->lifetime, entry->wanted.acme->renew_at, filled.meta.jitter) <=
      parts_.clock.wall()) {
    // A CA whose certificates are due at birth must not be asked without end.
    log::warn("certificate was due when it was issued", {{"name", entry->host}});
    entry->held_back_until = parts_.clock.wall() + look_again_after;
  }
  auto publishing = publish(entry);
  co_await std::move(publishing);
}

awaitable<void> Keeper::refuse(EntryPointer entry, std::size_t slot, std::uint64_t generation,
                               std::size_t ca, IssueFailure failure) {
  const Wall now = parts_.clock.wall();
  const auto choices = cas_of(entry->wanted);
  entry->failure = error_of(failure);
  if (generation != entry->generation || ca >= choices.size()) co_return;
  const std::string folder = choices[ca].issuer->storage_name();
  if (failure.whole_ca) {
    Backoff& trouble = ca_trouble_[folder];
    trouble = after_failure(trouble, failure, now, parts_.entropy);
    // The CA's trouble, not the name's: the name is not put off for a day because of it.
    if (failure.retry == Retry::permanent) failure.retry = Retry::later;
  }
  Slot& failed = entry->slots[slot];
  failed.forced = false;
  failed.last_error = entry->failure->detail();
  failed.backoffs[ca] = after_failure(failed.backoffs[ca], failure, now, parts_.entropy);
  const Backoff backoff = failed.backoffs[ca];
  const bool danger = failed.known && danger_time(failed.known->lifetime) <= now;
  const auto level = danger ? log::Level::error : log::Level::warn;
  log::write(level, "certificate not obtained",
             {{"name", entry->host},
              {"ca", folder},
              {"attempts", backoff.attempts},
              {"next_attempt", rfc3339_seconds(backoff.next_attempt)},
              {"why", failed.last_error}});
  AuditLog::Fields fields{{"name", entry->host}, {"ca", folder}, {"why", failed.last_error}};
  parts_.audit.note("certificate not obtained", std::move(fields));
  if (entry->wanted.mode == TlsMode::internal) co_return;
  auto job = [storage = parts_.storage, folder, backoff,
              file = order_file(entry->host, slot, failed.key_type),
              name = CertificateName{failed.ca, entry->host, failed.key_type}, meta = failed.meta,
              error = failed.last_error]() mutable -> Result<void> {
    auto record = storage->load_order(folder, file);
    OrderRecord changed = record && *record ? std::move(**record) : OrderRecord();
    changed.backoff = backoff;
    auto saved = storage->save_order(folder, file, changed);
    if (!saved || name.ca.empty()) return saved;
    meta.last_error = error;
    return storage->save_meta(name, meta);
  };
  auto saved = co_await parts_.helpers.run(std::move(job));
  if (!saved) log::error("back-off could not be stored", {{"why", saved.error().detail()}});
}

}  // namespace gatehouse::acme
