#pragma once

#include <string>

#include "core/base/asio.hpp"
#include "core/http/exchange.hpp"
#include "proxy/serve/request_facts.hpp"
#include "proxy/serve/snapshot.hpp"

namespace gatehouse::serve {

/// A route's `respond`: a fixed answer, or the echo page.
awaitable<void> send_respond(http::ServerExchange& exchange, RequestFacts& facts,
                             const config::Respond& respond);

/// The built-in page that shows a request as it came in: what a newcomer sees first. HTML where the
/// client prefers it, plain text else.
struct EchoPage {
  std::string type;
  std::string body;
  static EchoPage of(const http::RequestHead& request, const RequestFacts& facts);
};

}  // namespace gatehouse::serve
