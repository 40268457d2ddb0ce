#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "core/base/clock.hpp"

namespace gatehouse::serve::backend {

/// How one server stands at the moment, seen from one worker.
struct Standing {
  std::uint32_t in_flight = 0;
  std::uint32_t weight = 1;
  bool backup = false;
  bool tried = false;                  // by the request that asks
  Steady avoid_until = Steady::min();  // it failed just now
};

/// Uniform in 64 bits.
using Random = std::function<std::uint64_t()>;

/// Two servers drawn by weight, the one with fewer requests in flight for its weight wins. Servers
/// that failed just now are passed over, backups wait until no other server is left; when all are
/// to be avoided, one of them is tried all the same. Empty: every server was tried.
std::optional<std::size_t> two_choices(std::span<const Standing> table, Steady now,
                                       const Random& random);

/// How long a server that failed `failures` times in a row is passed over: a quarter of a second,
/// doubled each time, at most 10 s.
std::chrono::milliseconds avoidance(std::uint32_t failures);

}  // namespace gatehouse::serve::backend
