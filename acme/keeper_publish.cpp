// What the keeper gives to the workers, and gives them again when they have let go of it.
#include <algorithm>

#include "acme/detail/keeper_entry.hpp"
#include "acme/keeper.hpp"
#include "core/base/log.hpp"

namespace gatehouse::acme {
namespace {

using config::TlsMode;
using Need = tls::CertificateIndex::Need;

}  // namespace

void Keeper::Slot::take(tls::CertificatePointer certificate) {
  known = Known{{certificate->not_before(), certificate->not_after()}, certificate->fingerprint()};
  shared_ = certificate;
  in_hand_ = std::move(certificate);
}

tls::CertificatePointer Keeper::Slot::certificate() const {
  return in_hand_ != nullptr ? in_hand_ : shared_.lock();
}

void Keeper::Slot::lose() {
  known.reset();
  in_hand_.reset();
  shared_.reset();
}

bool Keeper::Entry::has_certificate() const {
  return std::any_of(slots.begin(), slots.end(),
                     [](const Slot& slot) { return slot.known.has_value(); });
}

bool Keeper::Entry::has_valid_certificate(Wall now) const {
  return std::any_of(slots.begin(), slots.end(), [now](const Slot& slot) {
    return slot.known && slot.known->lifetime.not_after > now;
  });
}

tls::CertificateHandle Keeper::Entry::assemble(Wall now, Missing missing) const {
  std::vector<tls::CertificatePointer> valid;
  std::vector<tls::CertificatePointer> all;
  for (const Slot& slot : slots) {
    if (!slot.known) continue;
    tls::CertificatePointer certificate = slot.certificate();
    if (certificate == nullptr && missing == Missing::left_out) continue;
    if (certificate == nullptr) return nullptr;
    if (certificate->not_after() > now) valid.push_back(certificate);
    all.push_back(std::move(certificate));
  }
  if (all.empty()) return nullptr;
  return tls::make_certificate_set(valid.empty() ? std::move(all) : std::move(valid));
}

awaitable<void> Keeper::publish(EntryPointer entry) {
  if (entry->kind == Entry::Kind::retired || entry->unasked || mode_ == Mode::stopping) co_return;
  if (!entry->has_certificate()) co_return;
  auto certificates = entry->assemble(parts_.clock.wall());
  if (certificates == nullptr) {
    bring_back(entry);
    co_return;
  }
  const Need need = entry->waiters.empty() ? Need::ahead : Need::now;
  auto handing = hand_out(entry, std::move(certificates), need);
  co_await std::move(handing);
}

awaitable<void> Keeper::hand_out(EntryPointer entry, tls::CertificateHandle certificates,
                                 Need need) {
  entry->served = certificates;
  entry->served_until = certificates->not_after;
  if (entry->outdated != certificates) entry->outdated.reset();
  auto publishing = parts_.outlet.publish(entry->host, certificates, need);
  co_await std::move(publishing);
  ring(*entry, serves(*entry) ? certificates : nullptr);
}

/// Null: there is none, or it is being brought back.
tls::CertificateHandle Keeper::at_hand(const EntryPointer& entry) {
  if (entry->kind == Entry::Kind::retired) return nullptr;
  if (auto here = servable(*entry)) return here;
  const Wall now = parts_.clock.wall();
  if (!serves(*entry) && !entry->has_valid_certificate(now)) return nullptr;
  auto here = entry->assemble(now);
  if (here == nullptr) bring_back(entry);
  return here;
}

/// Somebody asks for what no worker has any more.
void Keeper::bring_back(const EntryPointer& entry) {
  if (entry->kind == Entry::Kind::retired || mode_ == Mode::stopping) return;
  switch (entry->wanted.mode) {
    case TlsMode::files:
      entry->stamp.clear();
      for (Slot& slot : entry->slots) slot.stock = Standing::Stock::unknown;
      if (!entry->busy()) schedule(entry, true);
      break;
    case TlsMode::internal:
      // Made again sooner than it would be read.
      for (Slot& slot : entry->slots) {
        if (!slot.known || slot.certificate() != nullptr) continue;
        lose(*entry, slot);
        slot.stock = Standing::Stock::none;
      }
      if (!entry->busy()) schedule(entry, true);
      break;
    case TlsMode::acme:
    case TlsMode::on_demand:
      if (!entry->being_read) crew_.add(read_again(entry));
      entry->being_read = true;
      break;
    case TlsMode::off:
    case TlsMode::passthrough:
      break;
  }
  pump();
}

namespace {

struct Reading {
  explicit Reading(bool& being) : being_read(being) {}
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading() { being_read = false; }
  bool& being_read;
};

using Read = Result<std::optional<StoredCertificate>>;

std::vector<Read> read_all(Storage& storage, const std::vector<CertificateName>& names) {
  std::vector<Read> all;
  for (const CertificateName& name : names) all.push_back(storage.load_certificate(name));
  return all;
}

}  // namespace

/// Beside whatever else is done for the entry: a renewal may take long.
awaitable<void> Keeper::read_again(EntryPointer entry) {
  std::vector<std::size_t> missing;
  std::vector<CertificateName> names;
  for (std::size_t at = 0; at < entry->slots.size(); ++at) {
    const Slot& slot = entry->slots[at];
    if (!slot.known || slot.certificate() != nullptr) continue;
    missing.push_back(at);
    names.push_back({slot.ca, entry->host, slot.key_type});
  }
  const std::uint64_t generation = entry->generation;
  std::vector<Read> all;
  {
    const Reading reading(entry->being_read);
    auto job = [storage = parts_.storage, names] { return read_all(*storage, names); };
    all = co_await parts_.helpers.run(std::move(job));
  }
  bool lost = false;
  std::optional<Error> trouble;
  for (std::size_t at = 0; at < missing.size() && generation == entry->generation; ++at) {
    Slot& slot = entry->slots[missing[at]];
    if (!slot.known || slot.certificate() != nullptr) continue;  // another one came meanwhile
    if (!all[at] && all[at].error().fault() != Fault::bad_message) {
      trouble = all[at].error();
    } else if (all[at] && *all[at] && holds(*(*all[at])->certificate, entry->host)) {
      put_back(slot, **std::move(all[at]));
    } else {
      lost = true;
      lose(*entry, slot);
      slot.stock = Standing::Stock::unknown;  // what there is must be found out anew
    }
  }
  if (trouble) {  // perhaps not for long: whoever comes next asks again
    log::error("stored certificate could not be read",
               {{"name", entry->host}, {"why", trouble->detail()}});
    // Of several certificates, those that could be read are better than none.
    const Wall now = parts_.clock.wall();
    auto others = entry->assemble(now, Entry::Missing::left_out);
    if (!entry->busy())
      for (Slot& slot : entry->slots) slot.let_go();
    const bool gone = entry->kind == Entry::Kind::retired || mode_ == Mode::stopping;
    if (others == nullptr || others->not_after <= now || gone) {
      ring(*entry, *trouble);
      co_return;
    }
    auto handing = hand_out(entry, std::move(others), Need::now);
    co_await std::move(handing);
    co_return;
  }
  auto publishing = publish(entry);
  co_await std::move(publishing);
  // It may wait behind thousands for its renewal.
  if (lost && entry->phase == Entry::Phase::to_order) entry->phase = Entry::Phase::resting;
  if (entry->busy())
    ring(*entry);
  else
    settle(entry);
  pump();
}

/// Another process may have renewed it: then that one is served from here on.
void Keeper::put_back(Slot& slot, StoredCertificate stored) {
  const bool same = stored.certificate->fingerprint() == slot.known->fingerprint;
  slot.take(std::move(stored.certificate));
  if (same) return;
  slot.meta = std::move(stored.meta);
  slot.stock = Standing::Stock::held;
}

void Keeper::lose(Entry& entry, Slot& slot) {
  slot.lose();
  if (!entry.has_certificate() && entry.served.expired()) entry.served_until.reset();
}

}  // namespace gatehouse::acme
