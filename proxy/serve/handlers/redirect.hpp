#pragma once

#include <string>

#include "core/base/asio.hpp"
#include "core/http/exchange.hpp"
#include "proxy/serve/request_facts.hpp"
#include "proxy/serve/snapshot.hpp"

namespace gatehouse::serve {

class Worker;

/// Answers with a redirect to `location`.
awaitable<void> send_redirect(http::ServerExchange& exchange, RequestFacts& facts, int status,
                              std::string location);

/// The same request over https: host, path and query kept, the port named where it is not 443.
std::string https_location(const http::RequestHead& request, std::uint16_t port);
/// Where a route's `redirect` leads.
std::string redirect_location(const Route& route, const http::RequestHead& request,
                              const RequestFacts& facts);

/// A plain request for a name first seen now: its certificate is ordered before the client is sent
/// where it needs it.
awaitable<void> send_to_https_when_ready(Worker& worker, http::ServerExchange& exchange,
                                         const Site& site, RequestFacts& facts);

}  // namespace gatehouse::serve
