#include "proxy/serve/handlers/challenge.hpp"

namespace gatehouse::serve {

awaitable<void> send_challenge(http::ServerExchange& exchange, RequestFacts& facts,
                               std::string key_authorization) {
  http::ResponseHead head;
  head.status = 200;
  head.reason = "OK";
  head.length = http::BodyLength::counted(key_authorization.size());
  head.fields.add("Content-Type", "text/plain");
  facts.status = 200;
  const auto begun = co_await exchange.send_head(head);
  if (!begun) co_return;
  co_await exchange.send_body(key_authorization, http::End::last);
}

}  // namespace gatehouse::serve
