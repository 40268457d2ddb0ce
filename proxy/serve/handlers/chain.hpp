#pragma once

#include <vector>

#include "core/base/asio.hpp"
#include "core/http/exchange.hpp"
#include "proxy/serve/request_facts.hpp"
#include "proxy/serve/snapshot.hpp"

namespace gatehouse::serve {

class Worker;
struct Step;

/// Carries out a route: its handlers in the order of the configuration reference, whatever the
/// order in the file. On return the exchange has been answered or aborted, and `facts` tells how it
/// went.
awaitable<void> run_handlers(Worker& worker, http::ServerExchange& exchange, const Route& route,
                             RequestFacts& facts);

/// The steps that a route asks for, in their order. A route that only forwards has none.
std::vector<const Step*> steps_of(const config::Route& route);

}  // namespace gatehouse::serve
