#pragma once

#include "core/base/asio.hpp"
#include "core/http/exchange.hpp"
#include "proxy/serve/request_facts.hpp"

namespace gatehouse::serve {

/// Answers with a status of our own making: the route's error page, where there is no route the
/// site's, or a fixed small body, Content-Length, `Cache-Control: no-store`, nothing of the request
/// echoed. Does nothing when a head was sent already (then abort() is all that is left). Sets
/// `facts.status`.
awaitable<void> send_status(http::ServerExchange& exchange, RequestFacts& facts, int status);
/// The same with further fields, e.g. Allow or Retry-After.
awaitable<void> send_status(http::ServerExchange& exchange, RequestFacts& facts, int status,
                            const http::Fields& more);

}  // namespace gatehouse::serve
