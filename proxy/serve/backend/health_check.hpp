#pragma once

#include <memory>

#include "core/net/buffer_pool.hpp"
#include "core/net/deadline_wheel.hpp"
#include "core/net/dialer.hpp"
#include "proxy/serve/backend/plan.hpp"

namespace gatehouse::serve::backend {

/// What a check uses of its thread. Outlives it.
struct CheckMeans {
  Clock& clock;
  net::Dialer& dialer;
  net::DeadlineWheel& wheel;
  net::BufferPool& buffers;
};

/// Asks the server for its health path once, on a connection of its own and the way requests go
/// there. The status it answered; an error: it gave none in time. `server` is one of `plan`'s.
awaitable<Result<int>> check_health(CheckMeans means, std::shared_ptr<const Plan> plan,
                                    const ServerPlan& server);

/// Whether a status is one that the rules take for healthy.
bool healthy(const HealthRules& rules, int status);

/// Counts answers against `rise` and `fall`. A server that was never checked counts as healthy
/// until its first answer, which decides at once.
class Pulse {
 public:
  enum class Change : std::uint8_t { none, up, down };
  Change heard(bool well, const HealthRules& rules);
  bool known() const { return known_; }

 private:
  bool known_ = false;
  bool up_ = true;
  std::uint32_t against_ = 0;  // answers in a row that say otherwise
};

}  // namespace gatehouse::serve::backend
