// On-demand names that nobody has asked for since the start: the keeper does not know them, and
// goes through storage now and then to find those that fall due.
#include "acme/backoff.hpp"
#include "acme/detail/keeper_entry.hpp"
#include "acme/keeper.hpp"
#include "core/base/log.hpp"

namespace gatehouse::acme {
namespace {

using namespace std::chrono_literals;
using config::TlsMode;

constexpr std::chrono::seconds first_patrol = 2min;
constexpr std::chrono::seconds patrol_pause = 1h;
constexpr double pause_spread = 0.2;  // processes that share the storage do not go together
constexpr std::size_t batch_size = 200;
constexpr auto breath = 100ms;  // between two batches: the disk is not ours alone
constexpr std::size_t most_queued = 64;

bool falls_due(const CertificateMeta& meta, double share, Wall now) {
  // One that has run out was missed by nobody: whoever comes for it gets a new one.
  return meta.not_after > now &&
         renewal_time({meta.not_before, meta.not_after}, share, meta.jitter) <= now;
}

}  // namespace

awaitable<void> Keeper::patrol() {
  std::chrono::seconds next = first_patrol;
  for (;;) {
    const Steady until = parts_.clock.steady() + spread(next, pause_spread, parts_.entropy);
    co_await parts_.clock.sleep_until(until);
    next = patrol_pause;
    std::set<std::string> folders;
    for (const auto& [host, wanted] : wanted_) {
      if (wanted.mode != TlsMode::on_demand) continue;
      for (const CaChoice& ca : cas_of(wanted)) folders.insert(ca.issuer->storage_name());
    }
    for (const std::string& folder : folders) {
      auto going = patrol_folder(folder);
      co_await std::move(going);
    }
  }
}

awaitable<void> Keeper::patrol_folder(std::string ca) {
  auto opening = [storage = parts_.storage, ca]() -> Result<std::shared_ptr<Storage::Walk>> {
    auto walk = storage->walk(ca);
    if (!walk) return walk.error();
    return std::shared_ptr<Storage::Walk>(std::move(*walk));
  };
  auto walk = co_await parts_.helpers.run(std::move(opening));
  if (!walk) {
    log::warn("storage could not be gone through", {{"ca", ca}, {"why", walk.error().detail()}});
    co_return;
  }
  for (;;) {
    auto looking = [walk = *walk] { return walk->next(batch_size); };
    auto batch = co_await parts_.helpers.run(std::move(looking));
    if (!batch) {
      log::warn("storage could not be gone through", {{"ca", ca}, {"why", batch.error().detail()}});
      co_return;
    }
    for (const Storage::Walk::Sighting& sighting : batch->seen) take_up(sighting);
    pump();
    if (batch->end) co_return;
    do {
      co_await parts_.clock.sleep_until(parts_.clock.steady() + breath);
    } while (to_load_.size() + to_order_.size() > most_queued);
  }
}

void Keeper::take_up(const Storage::Walk::Sighting& sighting) {
  const std::string& host = sighting.host;
  if (entries_.contains(host) || lazy_.size() >= most_lazy_names()) return;
  const Wanted* cover = cover_of(host);
  if (cover == nullptr || cover->mode != TlsMode::on_demand) return;
  if (!falls_due(sighting.meta, cover->acme->renew_at, parts_.clock.wall())) return;
  if (gate_.remembered(host) || (!gate_.lists(host) && !check_on_demand_name(host))) return;
  const EntryPointer entry = make_lazy(host, *cover);
  entry->unasked = true;
  queue_load(entry);
}

}  // namespace gatehouse::acme
