#include "proxy/serve/handlers/status.hpp"

#include "core/http/grpc.hpp"
#include "core/http/reason.hpp"

namespace gatehouse::serve {
namespace {

/// Clients of gRPC read the outcome off a trailer, and HTTP's status only where there is none.
awaitable<void> send_grpc_status(http::ServerExchange& exchange, RequestFacts& facts, int status) {
  http::ResponseHead head;
  head.status = 200;
  head.fields.add("content-type", "application/grpc");
  head.fields.add("grpc-status", http::grpc_status(status));
  head.fields.add("grpc-message", http::reason_phrase(status));
  if (!facts.id.empty()) head.fields.add("x-request-id", facts.id);
  facts.status = 200;
  co_await exchange.send_head(head);
}

}  // namespace

awaitable<void> send_status(http::ServerExchange& exchange, RequestFacts& facts, int status) {
  const http::Fields none;
  co_await send_status(exchange, facts, status, none);
}

awaitable<void> send_status(http::ServerExchange& exchange, RequestFacts& facts, int status,
                            const http::Fields& more) {
  if (exchange.head_sent()) co_return;
  if (http::speaks_grpc(exchange.request())) {
    co_await send_grpc_status(exchange, facts, status);
    co_return;
  }
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
