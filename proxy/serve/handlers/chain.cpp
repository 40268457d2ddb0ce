#include "proxy/serve/handlers/chain.hpp"

#include "proxy/serve/forward.hpp"
#include "proxy/serve/handlers/redirect.hpp"
#include "proxy/serve/handlers/respond.hpp"
#include "proxy/serve/handlers/status.hpp"

namespace gatehouse::serve {

awaitable<void> run_handlers(Worker& worker, http::ServerExchange& exchange, const Route& route,
                             RequestFacts& facts) {
  const http::RequestHead& request = exchange.request();
  const std::uint64_t most = route.settings.max_body;
  if (most != 0) exchange.limit_body(most);
  const std::uint64_t everywhere = facts.snapshot->server().limits.body;
  const bool counted = request.length.kind == http::BodyLength::Kind::counted;
  const bool over = (most != 0 && request.length.bytes > most) ||
                    (everywhere != 0 && request.length.bytes > everywhere);
  if (counted && over) {
    facts.rejected = "too_large";
    exchange.close_after();
    co_await send_status(exchange, facts, 413);
  } else if (route.settings.redirect) {
    std::string to = redirect_location(route, request, facts);
    co_await send_redirect(exchange, facts, route.settings.redirect->status, std::move(to));
  } else if (route.settings.respond) {
    co_await send_respond(exchange, facts, *route.settings.respond);
  } else if (!route.settings.backend.empty()) {
    co_await forward(worker, exchange, route, facts);
  } else {
    co_await send_status(exchange, facts, 404);
  }
}

}  // namespace gatehouse::serve
