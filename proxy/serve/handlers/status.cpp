#include "proxy/serve/handlers/status.hpp"

#include "core/http/grpc.hpp"
#include "core/http/reason.hpp"
#include "proxy/serve/hsts.hpp"
#include "proxy/serve/snapshot.hpp"

namespace gatehouse::serve {
namespace {

constexpr std::string_view plain_text = "text/plain; charset=utf-8";

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

const ErrorPage* page_for(const RequestFacts& facts, int status) {
  if (facts.route) return facts.route->error_pages.find(status);
  return facts.site ? facts.site->error_pages.find(status) : nullptr;
}

}  // namespace

awaitable<void> send_status(http::ServerExchange& exchange, RequestFacts& facts, int status) {
  const http::Fields none;
  co_await send_status(exchange, facts, status, none);
}

awaitable<void> send_status(http::ServerExchange& exchange, RequestFacts& facts, int status,
                            const http::Fields& more) {
  if (exchange.head_sent()) co_return;
  facts.own_answer = true;
  if (http::speaks_grpc(exchange.request())) {
    co_await send_grpc_status(exchange, facts, status);
    co_return;
  }
  const ErrorPage* const page = page_for(facts, status);
  std::string words;
  if (page == nullptr) {
    words = std::to_string(status);
    words.append(" ").append(http::reason_phrase(status)).append("\n");
  }
  const std::string_view body = page ? page->body : words;
  http::ResponseHead head;
  head.status = status;
  head.reason = http::reason_phrase(status);
  head.length = http::BodyLength::counted(body.size());
  head.fields.add("Content-Type", page ? page->type : plain_text);
  head.fields.add("Cache-Control", "no-store");
  if (!facts.id.empty()) head.fields.add("X-Request-Id", facts.id);
  for (const http::Field& field : more) head.fields.add(field.name, field.value);
  // Also where no route was found; where one was, its header edits write this one over.
  const bool hsts = facts.secure() && facts.site && !facts.site->hsts.empty();
  if (hsts) head.fields.add(hsts_name, facts.site->hsts);
  facts.status = status;
  const auto begun = co_await exchange.send_head(head);
  if (!begun) co_return;
  co_await exchange.send_body(body, http::End::last);
}

}  // namespace gatehouse::serve
