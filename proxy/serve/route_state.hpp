#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "proxy/serve/rate_table.hpp"

namespace gatehouse::serve {

/// What a route counts. Not part of its snapshot: a reload hands it on to the route that stands in
/// the same place. Any worker.
struct RouteState {
  std::unique_ptr<RateTable> rates;  // null: it has no rate_limit
  alignas(64) std::atomic<std::uint32_t> in_flight{0};
};

/// By the identity of routes (Route::identity).
using RouteStates = std::map<std::string, std::shared_ptr<RouteState>>;

/// A request's place among those that its route has in flight. Leaves with the request.
class PlaceInFlight {
 public:
  PlaceInFlight() = default;
  PlaceInFlight(const PlaceInFlight&) = delete;
  PlaceInFlight& operator=(const PlaceInFlight&) = delete;
  ~PlaceInFlight() {
    if (state_) state_->in_flight.fetch_sub(1, std::memory_order_relaxed);
  }
  /// False: `most` are in flight already. `state` outlives this.
  bool take(RouteState& state, std::uint32_t most) {
    if (state.in_flight.fetch_add(1, std::memory_order_relaxed) < most) {
      state_ = &state;
      return true;
    }
    state.in_flight.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }

 private:
  RouteState* state_ = nullptr;
};

}  // namespace gatehouse::serve
