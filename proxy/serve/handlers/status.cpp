#include "proxy/serve/handlers/status.hpp"

#include "core/http/reason.hpp"

namespace gatehouse::serve {

awaitable<void> send_status(http::ServerExchange& exchange, RequestFacts& facts, int status) {
  const http::Fields none;
  co_await send_status(exchange, facts, status, none);
}

awaitable<void> send_status(http::ServerExchange& exchange, RequestFacts& facts, int status,
                            const http::Fields& more) {
  if (exchange.head_sent()) co_return;
  std::string body = std::to_string(status);
  body.append(" ").append(http::reason_phrase(status)).append("\n");
  http::ResponseHead head;
  head.status = status;
  head.reason = http::reason_phrase(status);
  head.length = http::BodyLength::counted(body.size());
  head.fields.add("Content-Type", "text/plain; charset=utf-8");
  head.fields.add("Cache-Control", "no-store");
  if (!facts.id.empty()) head.fields.add("X-Request-Id", facts.id);
  for (const http::Field& field : more) head.fields.add(field.name, field.value);
  facts.status = status;
  const auto begun = co_await exchange.send_head(head);
  if (!begun) co_return;
  co_await exchange.send_body(body, http::End::last);
}

}  // namespace gatehouse::serve
