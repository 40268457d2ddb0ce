#pragma once

#include "proxy/serve/handlers/wrapped_exchange.hpp"
#include "proxy/serve/request_facts.hpp"
#include "proxy/serve/route.hpp"

namespace gatehouse::serve {

/// Every answer of a route with `response_headers` or a site with `hsts`: edits the final head,
/// whoever made it, on its way to the client.
class EditedAnswer final : public WrappedExchange {
 public:
  EditedAnswer(http::ServerExchange& inner, const Route& route, const RequestFacts& facts)
      : WrappedExchange(inner), route_(route), facts_(facts) {}

  /// Whether answers to this request are edited at all.
  static bool wanted(const Route& route, const RequestFacts& facts);

  Started<void> start_head(const http::ResponseHead& head) override;
  awaitable<Result<Raw>> upgrade(const http::ResponseHead& head) override;

 private:
  const http::ResponseHead& edited(const http::ResponseHead& head);

  const Route& route_;
  const RequestFacts& facts_;
  http::ResponseHead edited_;  // lives until the last byte of the head is written
};

}  // namespace gatehouse::serve
