#include "proxy/serve/handlers/chain.hpp"

#include <array>

#include "proxy/serve/forward.hpp"
#include "proxy/serve/handlers/buffered_request.hpp"
#include "proxy/serve/handlers/compressed_exchange.hpp"
#include "proxy/serve/handlers/files.hpp"
#include "proxy/serve/handlers/forward_auth.hpp"
#include "proxy/serve/handlers/redirect.hpp"
#include "proxy/serve/handlers/respond.hpp"
#include "proxy/serve/handlers/status.hpp"
#include "proxy/serve/handlers/visit.hpp"
#include "proxy/serve/worker.hpp"

namespace gatehouse::serve {
namespace {

using Settings = config::Route;

bool longer_than(const http::BodyLength& length, std::uint64_t most) {
  return most != 0 && length.kind == http::BodyLength::Kind::counted && length.bytes > most;
}

Refusal limit_body(Visit& visit) {
  const std::uint64_t most = visit.settings().max_body;
  visit.exchange.limit_body(most);
  if (!longer_than(visit.request().length, most)) return {};
  return {.status = 413, .reason = "too_large"};
}

awaitable<bool> answer_redirect(Visit& visit) {
  const int status = visit.settings().redirect->status;
  std::string to = redirect_location(visit.route, visit.request(), visit.facts);
  co_await send_redirect(visit.exchange, visit.facts, status, std::move(to));
  co_return true;
}

awaitable<bool> answer_respond(Visit& visit) {
  co_await send_respond(visit.exchange, visit.facts, *visit.settings().respond);
  co_return true;
}

// The order of handlers, the same for every route. What answers stands before what changes the
// request on its way to a server.
constexpr std::array steps = {
    Step{.asked = [](const Settings& route) { return route.max_body != 0; }, .judge = limit_body},
    Step{.asked = [](const Settings& route) { return route.forward_auth.has_value(); },
         .answer = answer_forward_auth},
    Step{.asked = [](const Settings& route) { return route.redirect.has_value(); },
         .answer = answer_redirect},
    Step{.asked = [](const Settings& route) { return route.respond.has_value(); },
         .answer = answer_respond},
    Step{.asked = [](const Settings& route) { return route.files.has_value(); },
         .answer = answer_files},
};

awaitable<void> refuse(Visit& visit, Refusal refusal) {
  visit.facts.rejected = refusal.reason;
  if (refusal.status == 413) visit.exchange.close_after();
  http::Fields more;
  if (refusal.retry_after_seconds != 0) {
    more.add_copy("Retry-After", std::to_string(refusal.retry_after_seconds));
  }
  co_await send_status(visit.exchange, visit.facts, refusal.status, more);
}

awaitable<bool> take(const Step& step, Visit& visit) {
  if (step.answer != nullptr) {
    const bool answered = co_await step.answer(visit);
    co_return answered;
  }
  const Refusal refusal = step.judge(visit);
  if (refusal) co_await refuse(visit, refusal);
  co_return static_cast<bool>(refusal);
}

/// The end of the road: a server, or nothing.
awaitable<void> to_server(Visit& visit) {
  if (visit.settings().backend.empty()) return send_status(visit.exchange, visit.facts, 404);
  if (visit.settings().buffer_request != 0) return forward_buffered(visit);
  return forward(visit.worker, visit.exchange, visit.route, visit.facts);
}

awaitable<void> walk(Worker& worker, http::ServerExchange& exchange, const Route& route,
                     RequestFacts& facts) {
  Visit visit{worker, exchange, route, facts};
  if (longer_than(visit.request().length, facts.snapshot->server().limits.body)) {
    const Refusal refusal{.status = 413, .reason = "too_large"};
    co_await refuse(visit, refusal);
    co_return;
  }
  for (const Step* const step : route.steps) {
    const bool answered = co_await take(*step, visit);
    if (answered) co_return;
  }
  co_await to_server(visit);
}

awaitable<void> walk_compressed(Worker& worker, http::ServerExchange& exchange, const Route& route,
                                RequestFacts& facts) {
  const CompressMeans means{worker.encoders, worker.buffers};
  CompressedExchange compressed(exchange, means, route.codings);
  co_await walk(worker, compressed, route, facts);
}

}  // namespace

std::vector<const Step*> steps_of(const config::Route& route) {
  std::vector<const Step*> asked;
  for (const Step& step : steps) {
    if (step.asked(route)) asked.push_back(&step);
  }
  return asked;
}

awaitable<void> run_handlers(Worker& worker, http::ServerExchange& exchange, const Route& route,
                             RequestFacts& facts) {
  if (route.codings.empty()) return walk(worker, exchange, route, facts);
  return walk_compressed(worker, exchange, route, facts);
}

}  // namespace gatehouse::serve
