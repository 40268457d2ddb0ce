#include "proxy/serve/backend/balance.hpp"

#include <algorithm>

namespace gatehouse::serve::backend {
namespace {

/// From the best class of servers to the last resort.
enum class Class : std::uint8_t { good, good_backup, avoided, avoided_backup, out };

Class class_of(const Standing& server, Steady now) {
  if (server.tried) return Class::out;
  if (server.avoid_until > now) return server.backup ? Class::avoided_backup : Class::avoided;
  return server.backup ? Class::good_backup : Class::good;
}

}  // namespace

std::optional<std::size_t> two_choices(std::span<const Standing> table, Steady now,
                                       const Random& random) {
  Class best = Class::out;
  for (const Standing& server : table) best = std::min(best, class_of(server, now));
  if (best == Class::out) return {};

  std::uint64_t total = 0;
  std::size_t candidates = 0;
  std::size_t last = 0;
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (class_of(table[i], now) != best) continue;
    total += table[i].weight;
    ++candidates;
    last = i;
  }
  if (candidates == 1) return last;

  // Draws by weight among the candidates, `without` left out.
  const auto draw = [&](std::uint64_t weights, std::size_t without) {
    std::uint64_t at = random() % weights;
    std::size_t drawn = last;
    for (std::size_t i = 0; i < table.size(); ++i) {
      if (i == without || class_of(table[i], now) != best) continue;
      drawn = i;
      if (at < table[i].weight) break;
      at -= table[i].weight;
    }
    return drawn;
  };
  const std::size_t first = draw(total, table.size());
  const std::size_t second = draw(total - table[first].weight, first);
  // in_flight / weight, compared without dividing. A tie goes to the first draw.
  const std::uint64_t first_load = std::uint64_t{table[first].in_flight} * table[second].weight;
  const std::uint64_t second_load = std::uint64_t{table[second].in_flight} * table[first].weight;
  return second_load < first_load ? second : first;
}

std::chrono::milliseconds avoidance(std::uint32_t failures) {
  if (failures == 0) return std::chrono::milliseconds(0);
  const std::uint32_t doublings = std::min<std::uint32_t>(failures - 1, 6);
  return std::min(std::chrono::milliseconds(250) * (1 << doublings),
                  std::chrono::milliseconds(10'000));
}

}  // namespace gatehouse::serve::backend
