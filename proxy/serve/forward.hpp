#pragma once

#include "core/base/asio.hpp"
#include "core/http/exchange.hpp"
#include "proxy/serve/forwarded_fields.hpp"
#include "proxy/serve/request_facts.hpp"
#include "proxy/serve/route.hpp"

namespace gatehouse::serve {

class Worker;

/// Takes out of a request what ends at us and what only we may tell a server. Whoever adds fields
/// on the road does this first: a client must not be able to have them taken out again by naming
/// them in Connection, nor to send them itself. Once a request; further calls do nothing.
void clean_request(http::RequestHead& request, RequestFacts& facts);

/// What the fields towards a server are written from.
Hop hop_of(const http::RequestHead& request, const RequestFacts& facts);

/// Carries the request to a server of `route`'s backend and the answer back. On return the
/// exchange has been answered or aborted, and `facts` tells how it went. Everything referred to
/// lives until the call returns; runs on the worker.
awaitable<void> forward(Worker& worker, http::ServerExchange& exchange, const Route& route,
                        RequestFacts& facts);

}  // namespace gatehouse::serve
