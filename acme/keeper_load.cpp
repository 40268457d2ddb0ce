// What the keeper reads: certificates from storage and from files, and how they get published.
#include <algorithm>

#include "acme/detail/keeper_entry.hpp"
#include "acme/keeper.hpp"
#include "acme/store/file_system.hpp"
#include "core/base/contains.hpp"
#include "core/base/log.hpp"

namespace gatehouse::acme {
namespace {

using namespace std::chrono_literals;
using config::TlsMode;

}  // namespace

std::string order_file(const std::string& host, std::size_t slot, const std::string& key_type) {
  return slot == 0 ? host : host + "+" + key_type;
}

bool holds(const tls::Certificate& certificate, const std::string& host) {
  const auto& names = certificate.names();
  return contains(names, host) || certificate.covers(host);
}

// --- from storage ----------------------------------------------------------------------------

/// What storage has for one slot.
struct Keeper::Found {
  Standing::Stock stock = Standing::Stock::none;
  tls::CertificatePointer certificate;
  std::string ca;
  CertificateMeta meta;
  std::vector<Backoff> backoffs;
  std::string error;
};

namespace {

/// What to look for: made on the control thread, carried out on a helper.
struct Search {
  std::shared_ptr<Storage> storage;
  std::string host;
  std::vector<std::string> cas;  // folders, in the order of the list
  std::string key_type;
  std::string order_file;
  Wall now;
};

struct Haul {
  std::optional<Hit> hit;
  Standing::Stock stock = Standing::Stock::none;
  std::string error;
};

void look_in(const Search& search, const std::string& ca, Haul& haul) {
  auto stored = search.storage->load_certificate({ca, search.host, search.key_type});
  if (!stored) {
    log::error("stored certificate was not usable",
               {{"name", search.host}, {"ca", ca}, {"why", stored.error().detail()}});
    if (stored.error().fault() == Fault::bad_message) return;  // obtained again
    haul.stock = Standing::Stock::refused;
    haul.error = stored.error().detail();
    return;
  }
  if (!*stored) return;
  tls::CertificatePointer& found = (*stored)->certificate;
  if (!holds(*found, search.host)) return;
  const bool better = !haul.hit || (haul.hit->certificate->not_after() <= search.now &&
                                    found->not_after() > haul.hit->certificate->not_after());
  if (better) haul.hit = Hit{std::move(found), ca, std::move((*stored)->meta)};
}

Haul look(const Search& search) {
  Haul haul;
  for (const std::string& ca : search.cas) look_in(search, ca, haul);
  if (haul.hit) {
    haul.stock = Standing::Stock::held;
    return haul;
  }
  // One of a CA that left the list serves until ours is there.
  const auto cas = search.storage->certificate_cas();
  if (!cas) return haul;
  for (const std::string& ca : *cas) {
    if (contains(search.cas, ca)) continue;
    look_in(search, ca, haul);
  }
  if (haul.hit) haul.stock = Standing::Stock::foreign;
  return haul;
}

std::vector<Backoff> backoffs_of(const Search& search) {
  std::vector<Backoff> backoffs;
  for (const std::string& ca : search.cas) {
    auto record = search.storage->load_order(ca, search.order_file);
    if (!record)
      log::error("stored order was not usable",
                 {{"name", search.host}, {"ca", ca}, {"why", record.error().detail()}});
    backoffs.push_back(record && *record ? (*record)->backoff : Backoff());
  }
  return backoffs;
}

}  // namespace

awaitable<void> Keeper::look_up(EntryPointer entry) {
  const Task task(*this, entry, Lane::load);
  if (entry->kind == Entry::Kind::retired) co_return;
  auto work = entry->wanted.mode == TlsMode::files ? load_files(entry) : load_slots(entry);
  co_await std::move(work);
}

awaitable<void> Keeper::load_slots(EntryPointer entry) {
  std::vector<Search> searches;
  std::vector<std::string> folders;
  for (const CaChoice& ca : cas_of(entry->wanted)) folders.push_back(ca.issuer->storage_name());
  for (std::size_t at = 0; at < entry->slots.size(); ++at) {
    const std::string& type = entry->slots[at].key_type;
    searches.push_back(Search{parts_.storage, entry->host, folders, type,
                              order_file(entry->host, at, type), parts_.clock.wall()});
  }
  const std::uint64_t generation = entry->generation;
  auto job = [searches = std::move(searches)] {
    std::vector<Found> all;
    for (const Search& search : searches) {
      Haul haul = look(search);
      Found found;
      found.stock = haul.stock;
      found.error = std::move(haul.error);
      found.backoffs = backoffs_of(search);
      if (haul.hit) {
        found.certificate = std::move(haul.hit->certificate);
        found.ca = std::move(haul.hit->ca);
        found.meta = std::move(haul.hit->meta);
      }
      all.push_back(std::move(found));
    }
    return all;
  };
  auto all = co_await parts_.helpers.run(std::move(job));
  if (generation != entry->generation) co_return;
  bool changed = false;
  for (std::size_t at = 0; at < all.size(); ++at) {
    Slot& slot = entry->slots[at];
    Found& found = all[at];
    const tls::CertificatePointer here = slot.certificate();
    const bool same = slot.known && found.certificate != nullptr &&
                      slot.known->fingerprint == found.certificate->fingerprint();
    if (found.certificate != nullptr && !same) {
      changed = true;
      slot.take(std::move(found.certificate));
      slot.ca = std::move(found.ca);
      slot.meta = std::move(found.meta);
    } else if (here != nullptr) {
      slot.take(here);  // what is served stays, even where storage lost it meanwhile
    } else if (same) {
      slot.take(std::move(found.certificate));
    } else if (slot.known && found.stock != Standing::Stock::refused) {
      lose(*entry, slot);
    }
    slot.stock = found.stock;
    if (slot.stock == Standing::Stock::none && slot.known) slot.stock = Standing::Stock::foreign;
    slot.look_again = parts_.clock.wall() + look_again_after;
    slot.backoffs = std::move(found.backoffs);
    slot.last_error = std::move(found.error);
    for (const Backoff& backoff : slot.backoffs)
      if (backoff.attempts > 0 && slot.last_error.empty()) slot.last_error = backoff.detail;
    if (!slot.last_error.empty())
      entry->failure = slot.stock == Standing::Stock::refused
                           ? Error(Fault::io, Side::self, slot.last_error)
                           : Error(Fault::refused, Side::ca, slot.last_error);
  }
  if (!changed) co_return;
  auto publishing = publish(entry);
  co_await std::move(publishing);
}

// --- from files ------------------------------------------------------------------------------

struct Keeper::FilesFound {
  std::string stamp;
  tls::CertificatePointer certificate;  // null with an empty error: nothing changed
  std::string error;
};

namespace {

Result<std::string> stamp_of(FileSystem& system, const std::string& path) {
  const auto facts = system.facts(path);
  if (!facts) return facts.error();
  return std::to_string(facts->size) + "@" +
         std::to_string(facts->modified.time_since_epoch().count()) + ";";
}

}  // namespace

awaitable<void> Keeper::load_files(EntryPointer entry) {
  auto job = [cert = entry->wanted.cert, key = entry->wanted.key, before = entry->stamp] {
    PosixFileSystem system;
    FilesFound found;
    const auto fail = [&found](const Error& error) {
      found.error = error.detail();
      return found;
    };
    const auto cert_stamp = stamp_of(system, cert);
    if (!cert_stamp) return fail(cert_stamp.error());
    const auto key_stamp = stamp_of(system, key);
    if (!key_stamp) return fail(key_stamp.error());
    found.stamp = *cert_stamp + *key_stamp;
    if (found.stamp == before) return found;
    const auto chain_pem = system.read(cert);
    if (!chain_pem) return fail(chain_pem.error());
    const auto key_pem = system.read(key);
    if (!key_pem) return fail(key_pem.error());
    auto parsed = tls::Certificate::parse(*chain_pem, *key_pem);
    if (!parsed) return fail(std::move(parsed).error().within(cert));
    found.certificate = std::move(*parsed);
    return found;
  };
  const std::uint64_t generation = entry->generation;
  auto found = co_await parts_.helpers.run(std::move(job));
  if (generation != entry->generation) co_return;
  Slot& slot = entry->slots.front();
  slot.ca = "files";
  if (!found.error.empty()) {
    slot.stock = Standing::Stock::refused;
    if (slot.last_error != found.error)
      log::error("certificate file was not usable", {{"name", entry->host}, {"why", found.error}});
    slot.last_error = found.error;
    entry->failure = Error(Fault::io, Side::self, found.error);
    // Read again even where the file comes back as it was.
    if (slot.certificate() == nullptr) entry->stamp.clear();
    co_return;
  }
  if (found.certificate == nullptr && entry->stamp.empty()) {  // asked for again meanwhile
    slot.stock = Standing::Stock::unknown;
    co_return;
  }
  slot.stock = Standing::Stock::held;
  entry->stamp = std::move(found.stamp);
  if (found.certificate == nullptr) co_return;
  slot.last_error.clear();
  entry->failure.reset();
  slot.key_type = tls::name(found.certificate->key_type());
  slot.meta.serial = found.certificate->serial_hex();
  const bool named = holds(*found.certificate, entry->host) || entry->host == "*";
  slot.take(std::move(found.certificate));
  if (!named)
    log::warn("certificate file does not name the host",
              {{"name", entry->host}, {"cert", entry->wanted.cert}});
  auto publishing = publish(entry);
  co_await std::move(publishing);
}

}  // namespace gatehouse::acme
