#include "proxy/serve/backend/balance.hpp"

#include <algorithm>
#include <cmath>

namespace gatehouse::serve::backend {
namespace {

/// From the best servers to the last resort: those to be avoided after all others, of either the
/// backups last, of all these the higher priority number later.
constexpr std::uint32_t avoided = 1U << 17;
constexpr std::uint32_t a_backup = 1U << 16;
constexpr std::uint32_t unusable = 1U << 18;

std::uint32_t rank_of(const Standing& server, Steady now) {
  if (server.tried || server.out) return unusable;
  return (server.avoid_until > now ? avoided : 0U) | (server.backup ? a_backup : 0U) |
         server.priority;
}

/// The servers of the best rank that has any.
class Candidates {
 public:
  Candidates(std::span<const Standing> table, Steady now) : table_(table), now_(now) {
    for (const Standing& server : table) best_ = std::min(best_, rank_of(server, now));
    if (best_ == unusable) return;
    for (std::size_t i = 0; i < table.size(); ++i) {
      if (!holds(i)) continue;
      weights_ += table[i].weight;
      ++count_;
      last_ = i;
    }
  }
  bool holds(std::size_t i) const { return rank_of(table_[i], now_) == best_; }
  std::size_t count() const { return count_; }
  std::uint64_t weights() const { return weights_; }
  std::size_t last() const { return last_; }

  /// Draws by weight, `without` left out. Requires: one is left then.
  std::size_t draw(const Random& random, std::uint64_t weights, std::size_t without) const {
    std::uint64_t at = random() % weights;
    std::size_t drawn = last_;
    for (std::size_t i = 0; i < table_.size(); ++i) {
      if (i == without || !holds(i)) continue;
      drawn = i;
      if (at < table_[i].weight) break;
      at -= table_[i].weight;
    }
    return drawn;
  }

 private:
  std::span<const Standing> table_;
  Steady now_;
  std::uint32_t best_ = unusable;
  std::size_t count_ = 0;
  std::uint64_t weights_ = 0;
  std::size_t last_ = 0;
};

/// in_flight / weight, compared without dividing.
bool less_loaded(const Standing& a, const Standing& b) {
  return std::uint64_t{a.in_flight} * b.weight < std::uint64_t{b.in_flight} * a.weight;
}

/// Every bit of the result hangs on every bit of `x` (the finalizer of splitmix64).
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

}  // namespace

std::optional<std::size_t> Chooser::choose(std::span<const Standing> table, Steady now,
                                           std::optional<std::uint64_t> key) {
  switch (policy_) {
    case Policy::two_choices:
      break;
    case Policy::round_robin:
      return in_turn(table, now);
    case Policy::least_requests:
      return least_requests(table, now, random_);
    case Policy::random:
      return by_chance(table, now, random_);
    case Policy::first:
      return first_server(table, now);
    case Policy::hash:
      if (key) return by_key(table, now, *key);
      break;
  }
  return two_choices(table, now, random_);
}

/// Each turn a server earns its weight, and whoever has most pays all that was earned: turns come
/// by weight, spread as evenly as they can be.
std::optional<std::size_t> Chooser::in_turn(std::span<const Standing> table, Steady now) {
  const Candidates candidates(table, now);
  if (candidates.count() == 0) return {};
  if (credits_.size() != table.size()) {
    credits_.assign(table.size(), 0);
    // Workers that all begin with the same server would send it everything at once.
    for (std::size_t i = 0; i < table.size(); ++i) {
      credits_[i] = static_cast<std::int64_t>(random_() % candidates.weights());
    }
  }
  std::optional<std::size_t> chosen;
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (!candidates.holds(i)) continue;
    credits_[i] += table[i].weight;
    if (!chosen || credits_[i] > credits_[*chosen]) chosen = i;
  }
  credits_[*chosen] -= static_cast<std::int64_t>(candidates.weights());
  return chosen;
}

std::optional<std::size_t> two_choices(std::span<const Standing> table, Steady now,
                                       const Random& random) {
  const Candidates candidates(table, now);
  if (candidates.count() == 0) return {};
  if (candidates.count() == 1) return candidates.last();
  const std::size_t first = candidates.draw(random, candidates.weights(), table.size());
  const std::uint64_t others = candidates.weights() - table[first].weight;
  const std::size_t second = candidates.draw(random, others, first);
  return less_loaded(table[second], table[first]) ? second : first;  // a tie: the first draw
}

std::optional<std::size_t> least_requests(std::span<const Standing> table, Steady now,
                                          const Random& random) {
  const Candidates candidates(table, now);
  if (candidates.count() == 0) return {};
  std::optional<std::size_t> least;
  std::uint64_t equals = 0;
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (!candidates.holds(i)) continue;
    if (!least || less_loaded(table[i], table[*least])) {
      least = i;
      equals = table[i].weight;
    } else if (!less_loaded(table[*least], table[i])) {
      equals += table[i].weight;  // the k-th of the equals replaces the others by its share
      if (random() % equals < table[i].weight) least = i;
    }
  }
  return least;
}

std::optional<std::size_t> by_chance(std::span<const Standing> table, Steady now,
                                     const Random& random) {
  const Candidates candidates(table, now);
  if (candidates.count() == 0) return {};
  return candidates.draw(random, candidates.weights(), table.size());
}

std::optional<std::size_t> first_server(std::span<const Standing> table, Steady now) {
  const Candidates candidates(table, now);
  for (std::size_t i = 0; i < table.size() && candidates.count() > 0; ++i) {
    if (candidates.holds(i)) return i;
  }
  return {};
}

std::optional<std::size_t> by_key(std::span<const Standing> table, Steady now, std::uint64_t key) {
  const Candidates candidates(table, now);
  std::optional<std::size_t> chosen;
  double best = 0;
  for (std::size_t i = 0; i < table.size() && candidates.count() > 0; ++i) {
    if (!candidates.holds(i)) continue;
    // An exponential variable of rate `weight`: the smallest is this server's with probability
    // weight / sum of weights, and no other server's draw depends on it.
    const std::uint64_t bits = mixed(key ^ mixed(table[i].hash));
    const double uniform = (static_cast<double>(bits >> 11) + 0.5) * 0x1p-53;
    const double draw = -std::log(uniform) / table[i].weight;
    if (!chosen || draw < best) {
      chosen = i;
      best = draw;
    }
  }
  return chosen;
}

std::uint64_t stable_hash(std::string_view octets) {
  std::uint64_t hash = 0xCBF29CE484222325U;  // FNV-1a, mixed: its high bits are weak
  for (const char octet : octets) {
    hash = (hash ^ static_cast<unsigned char>(octet)) * 0x100000001B3U;
  }
  return mixed(hash);
}

std::chrono::milliseconds avoidance(std::uint32_t failures) {
  if (failures == 0) return std::chrono::milliseconds(0);
  const std::uint32_t doublings = std::min<std::uint32_t>(failures - 1, 6);
  return std::min(std::chrono::milliseconds(250) * (1 << doublings),
                  std::chrono::milliseconds(10'000));
}

}  // namespace gatehouse::serve::backend
