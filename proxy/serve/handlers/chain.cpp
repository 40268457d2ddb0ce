#include "proxy/serve/handlers/chain.hpp"

#include <array>

#include "proxy/serve/forward.hpp"
#include "proxy/serve/handlers/basic_auth.hpp"
#include "proxy/serve/handlers/buffered_request.hpp"
#include "proxy/serve/handlers/change_path.hpp"
#include "proxy/serve/handlers/compressed_exchange.hpp"
#include "proxy/serve/handlers/edited_answer.hpp"
#include "proxy/serve/handlers/files.hpp"
#include "proxy/serve/handlers/forward_auth.hpp"
#include "proxy/serve/handlers/gate.hpp"
#include "proxy/serve/handlers/redirect.hpp"
#include "proxy/serve/handlers/respond.hpp"
#include "proxy/serve/handlers/status.hpp"
#include "proxy/serve/handlers/visit.hpp"
#include "proxy/serve/worker.hpp"

namespace gatehouse::serve {
namespace {

using Settings = config::Route;

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

bool limits_addresses(const Settings& route) { return !route.allow.empty() || !route.deny.empty(); }

bool changes_path(const Settings& route) {
  return !route.strip_prefix.empty() || !route.add_prefix.empty() || route.rewrite.has_value();
}

// The order of handlers, the same for every route. What answers stands before what changes the
// request on its way to a server. `request_headers` come last of all, in forward(): only there are
// the fields gone that a client could have them removed by.
constexpr std::array steps = {
    Step{.asked = limits_addresses, .judge = check_address},
    Step{.asked = [](const Settings& route) { return route.rate_limit.has_value(); },
         .judge = check_rate},
    Step{.asked = [](const Settings& route) { return route.max_in_flight != 0; },
         .judge = check_in_flight},
    Step{.asked = [](const Settings& route) { return route.max_body != 0; }, .judge = check_body},
    Step{.asked = [](const Settings& route) { return route.basic_auth.has_value(); },
         .answer = answer_basic_auth},
    Step{.asked = [](const Settings& route) { return route.forward_auth.has_value(); },
         .answer = answer_forward_auth},
    Step{.asked = [](const Settings& route) { return route.redirect.has_value(); },
         .answer = answer_redirect},
    Step{.asked = [](const Settings& route) { return route.respond.has_value(); },
         .answer = answer_respond},
    Step{.asked = changes_path, .judge = change_path},
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

awaitable<void> walk_steps(Worker& worker, http::ServerExchange& exchange, const Route& route,
                           RequestFacts& facts) {
  Visit visit{.worker = worker, .exchange = exchange, .route = route, .facts = facts};
  settle_path(visit);
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

awaitable<void> walk(Worker& worker, http::ServerExchange& exchange, const Route& route,
                     RequestFacts& facts) {
  const bool only_forwards =
      route.steps.empty() && !route.settings.backend.empty() && route.settings.buffer_request == 0;
  const std::uint64_t most = facts.snapshot->server().limits.body;
  if (!only_forwards || longer_than(exchange.request().length, most)) {
    return walk_steps(worker, exchange, route, facts);
  }
  Visit visit{.worker = worker, .exchange = exchange, .route = route, .facts = facts};
  settle_path(visit);
  return forward(worker, exchange, route, facts);
}

// What answers pass on their way out, the one next to the client first.

awaitable<void> walk_edited(Worker& worker, http::ServerExchange& exchange, const Route& route,
                            RequestFacts& facts) {
  EditedAnswer edited(exchange, route, facts);
  co_await walk(worker, edited, route, facts);
}

awaitable<void> edit_or_walk(Worker& worker, http::ServerExchange& exchange, const Route& route,
                             RequestFacts& facts) {
  if (EditedAnswer::wanted(route, facts)) return walk_edited(worker, exchange, route, facts);
  return walk(worker, exchange, route, facts);
}

awaitable<void> walk_compressed(Worker& worker, http::ServerExchange& exchange, const Route& route,
                                RequestFacts& facts) {
  const CompressMeans means{worker.encoders, worker.buffers};
  CompressedExchange compressed(exchange, means, route.codings);
  co_await edit_or_walk(worker, compressed, route, facts);
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
  if (route.codings.empty()) return edit_or_walk(worker, exchange, route, facts);
  return walk_compressed(worker, exchange, route, facts);
}

}  // namespace gatehouse::serve
