#include "proxy/serve/rate_table.hpp"

#include <algorithm>

namespace gatehouse::serve {
namespace {

constexpr std::int64_t most_debt = std::int64_t{1} << 61;  // ns, 73 years

}  // namespace

RateTable::RateTable(Entropy& entropy)
    : hash_(entropy), buckets_(std::make_unique<Bucket[]>(most_keys / ways)) {}

/// The key's own slot, or one that it takes over: a free one, or the one that is paid for first.
RateTable::Slot& RateTable::slot_of(std::uint64_t tag, std::int64_t now) {
  Bucket& bucket = buckets_[tag % (most_keys / ways)];
  for (;;) {
    Slot* least = nullptr;
    std::int64_t least_paid_by = 0;
    for (Slot& slot : bucket.slots) {
      // In this order: a slot that owes something for this key is seen to be this key's. Otherwise
      // another worker's first request would send us to the next slot, and be forgotten.
      const std::int64_t paid_by = slot.paid_by.load();
      if (slot.tag.load() == tag) return slot;
      if (least != nullptr && paid_by >= least_paid_by) continue;
      least = &slot;
      least_paid_by = paid_by;
    }
    std::uint64_t before = least->tag.load();
    if (before == tag) return *least;  // another worker was faster
    // What the key before owes, and not what another worker has added for this one meanwhile.
    std::int64_t debt = least->paid_by.load();
    if (!least->tag.compare_exchange_strong(before, tag)) continue;
    // Nobody pays for what another one did.
    if (debt > now) least->paid_by.compare_exchange_strong(debt, now);
    return *least;
  }
}

std::chrono::nanoseconds RateTable::ask(std::string_view key, Steady now, Pace pace) {
  const std::uint64_t tag = std::max<std::uint64_t>(hash_(key), 1);
  const std::int64_t at = now.time_since_epoch().count();
  const std::int64_t interval = std::max<std::int64_t>(pace.interval.count(), 1);
  const std::int64_t most =
      pace.at_once < most_debt / interval ? interval * pace.at_once : most_debt;
  Slot& slot = slot_of(tag, at);
  std::int64_t before = slot.paid_by.load(std::memory_order_relaxed);
  for (;;) {
    const std::int64_t after = std::max(before, at) + interval;
    if (after - at > most) return std::chrono::nanoseconds(after - at - most);
    if (slot.paid_by.compare_exchange_weak(before, after)) return {};
  }
}

}  // namespace gatehouse::serve
