#pragma once

#include <string_view>

#include "core/base/asio.hpp"
#include "core/http/exchange.hpp"
#include "proxy/serve/request_facts.hpp"
#include "proxy/serve/route.hpp"

namespace gatehouse::serve {

class Worker;

/// One request in its route: what a handler gets. Lives in run_handlers()'s frame.
struct Visit {
  Worker& worker;
  http::ServerExchange& exchange;  // answers through it pass the route's header edits
  const Route& route;
  RequestFacts& facts;
  PlaceInFlight in_flight{};

  http::RequestHead& request() const { return exchange.request(); }
  const config::Route& settings() const { return route.settings; }
};

/// A body that is told to be longer than `most` octets; 0: no limit.
inline bool longer_than(const http::BodyLength& length, std::uint64_t most) {
  return most != 0 && length.kind == http::BodyLength::Kind::counted && length.bytes > most;
}

/// Why a request ends at a step, or `status` 0: it goes on.
struct Refusal {
  int status = 0;
  std::string_view reason;           // label of gatehouse_rejected_total
  unsigned retry_after_seconds = 0;  // 0: none is told
  explicit operator bool() const { return status != 0; }
};

/// A handler's place in the order: whether a route asks for it, and what it does with a request.
/// Exactly one of `judge` and `answer` is there.
struct Step {
  bool (*asked)(const config::Route& route) = nullptr;
  /// Refuses the request or lets it go on, perhaps changed. For what never waits.
  Refusal (*judge)(Visit& visit) = nullptr;
  /// True: the request was answered (or its exchange aborted) and ends here.
  awaitable<bool> (*answer)(Visit& visit) = nullptr;
};

}  // namespace gatehouse::serve
