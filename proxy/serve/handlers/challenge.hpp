#pragma once

#include <string>

#include "core/base/asio.hpp"
#include "core/http/exchange.hpp"
#include "proxy/serve/request_facts.hpp"

namespace gatehouse::serve {

/// Answers a CA's HTTP-01 probe (RFC 8555 §8.3). By value: the board may drop it while it is sent.
awaitable<void> send_challenge(http::ServerExchange& exchange, RequestFacts& facts,
                               std::string key_authorization);

}  // namespace gatehouse::serve
