#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"

namespace gatehouse::serve::backend {

/// How one server stands at the moment, seen from one worker.
struct Standing {
  std::uint32_t in_flight = 0;
  std::uint32_t weight = 1;    // in any unit, the same for all servers of a table; never 0
  std::uint16_t priority = 0;  // the lowest that any server has goes first (RFC 2782)
  bool backup = false;
  bool tried = false;                  // by the request that asks
  bool out = false;                    // takes no request now: down, ejected, or full
  Steady avoid_until = Steady::min();  // it failed just now
  std::uint64_t hash = 0;              // of its name: what keys are spread by
};

/// Uniform in 64 bits.
using Random = std::function<std::uint64_t()>;

enum class Policy : std::uint8_t { two_choices, round_robin, least_requests, random, first, hash };

/// The choice among the servers of one backend. A server that is out or was tried is never chosen;
/// among the others, those that failed just now are passed over, and backups, like those of a
/// higher priority number, wait until no other server is left; when all are to be avoided, one of
/// them is tried all the same. Belongs to one worker.
class Chooser {
 public:
  Chooser(Policy policy, Random random) : policy_(policy), random_(std::move(random)) {}

  /// Empty: nobody is left to choose. `key`: what Policy::hash goes by; without one it chooses as
  /// two_choices does.
  std::optional<std::size_t> choose(std::span<const Standing> table, Steady now,
                                    std::optional<std::uint64_t> key = {});
  void policy(Policy policy) { policy_ = policy; }

 private:
  std::optional<std::size_t> in_turn(std::span<const Standing> table, Steady now);

  Policy policy_;
  Random random_;
  std::vector<std::int64_t> credits_;  // of round_robin, by place in the table
};

/// Two servers drawn by weight; the one with fewer requests in flight for its weight wins.
std::optional<std::size_t> two_choices(std::span<const Standing> table, Steady now,
                                       const Random& random);
/// The fewest requests in flight for its weight; among equals by chance.
std::optional<std::size_t> least_requests(std::span<const Standing> table, Steady now,
                                          const Random& random);
std::optional<std::size_t> by_chance(std::span<const Standing> table, Steady now,
                                     const Random& random);
/// The first in the order of the file.
std::optional<std::size_t> first_server(std::span<const Standing> table, Steady now);
/// The server that draws highest for this key (rendezvous hashing): a server that goes gives away
/// only its own keys, one that comes takes only its share, each by weight.
std::optional<std::size_t> by_key(std::span<const Standing> table, Steady now, std::uint64_t key);

/// The same in every build and on every machine: nodes side by side send a key the same way.
std::uint64_t stable_hash(std::string_view octets);

/// How long a server that failed `failures` times in a row is passed over: a quarter of a second,
/// doubled each time, at most 10 s.
std::chrono::milliseconds avoidance(std::uint32_t failures);

}  // namespace gatehouse::serve::backend
