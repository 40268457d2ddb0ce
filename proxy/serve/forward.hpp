#pragma once

#include "core/base/asio.hpp"
#include "core/http/exchange.hpp"
#include "proxy/serve/request_facts.hpp"
#include "proxy/serve/route.hpp"

namespace gatehouse::serve {

class Worker;

/// Carries the request to a server of `route`'s backend and the answer back. On return the
/// exchange has been answered or aborted, and `facts` tells how it went. Everything referred to
/// lives until the call returns; runs on the worker.
awaitable<void> forward(Worker& worker, http::ServerExchange& exchange, const Route& route,
                        RequestFacts& facts);

}  // namespace gatehouse::serve
