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

tls::CertificateHandle Keeper::Entry::assemble(Wall now) const {
  std::vector<tls::CertificatePointer> valid;
  std::vector<tls::CertificatePointer> all;
  for (const Slot& slot : slots) {
    if (!slot.known) continue;
    tls::CertificatePointer certificate = slot.certificate();
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
  auto publishing = parts_.outlet.publish(entry->host, certificates, need);
  co_await std::move(publishing);
  ring(*entry, certificates->not_after > parts_.clock.wall() ? certificates : nullptr);
}

/// Somebody asks for what no worker has any more.
void Keeper::bring_back(const EntryPointer& entry) {
  if (entry->kind == Entry::Kind::retired || mode_ == Mode::stopping) return;
  switch (entry->wanted.mode) {
    case TlsMode::files:
      entry->stamp.clear();
      for (Slot& slot : entry->slots) slot.stock = Standing::Stock::unknown;
      if (!entry->busy()) schedule(entry);
      break;
    case TlsMode::internal:
      // Made again sooner than it would be read.
      for (Slot& slot : entry->slots) {
        if (!slot.known || slot.certificate() != nullptr) continue;
        lose(*entry, slot);
        slot.stock = Standing::Stock::none;
      }
      if (!entry->busy()) schedule(entry);
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

/// Beside whatever else is done for the entry: a renewal may take long.
awaitable<void> Keeper::read_again(EntryPointer entry) {
  struct Place {
    std::size_t slot;
    CertificateName name;
  };
  std::vector<Place> places;
  for (std::size_t at = 0; at < entry->slots.size(); ++at) {
    const Slot& slot = entry->slots[at];
    if (slot.known && slot.certificate() == nullptr)
      places.push_back({at, {slot.ca, entry->host, slot.key_type}});
  }
  const std::uint64_t generation = entry->generation;
  auto job = [storage = parts_.storage, places] {
    std::vector<tls::CertificatePointer> found;
    for (const Place& place : places) {
      auto stored = storage->load_certificate(place.name);
      if (!stored)
        log::error(
            "stored certificate was not usable",
            {{"name", place.name.host}, {"ca", place.name.ca}, {"why", stored.error().detail()}});
      found.push_back(stored && *stored ? std::move((*stored)->certificate) : nullptr);
    }
    return found;
  };
  auto found = co_await parts_.helpers.run(std::move(job));
  entry->being_read = false;
  if (generation != entry->generation) places.clear();
  for (std::size_t at = 0; at < places.size(); ++at) {
    Slot& slot = entry->slots[places[at].slot];
    if (!slot.known || slot.certificate() != nullptr) continue;  // another one came meanwhile
    if (found[at] != nullptr && found[at]->fingerprint() == slot.known->fingerprint) {
      slot.take(std::move(found[at]));
    } else {
      lose(*entry, slot);
      slot.stock = Standing::Stock::unknown;  // what there is must be found out anew
    }
  }
  auto publishing = publish(entry);
  co_await std::move(publishing);
  if (entry->busy()) {
    ring(*entry);
    co_return;
  }
  settle(entry);
  pump();
}

void Keeper::lose(Entry& entry, Slot& slot) {
  slot.lose();
  if (!entry.has_certificate() && entry.served.expired()) entry.served_until.reset();
}

}  // namespace gatehouse::acme
