#include "proxy/serve/forward.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <utility>

#include "core/http/header_rules.hpp"
#include "proxy/serve/backend/sticky.hpp"
#include "proxy/serve/detail/client_watch.hpp"
#include "proxy/serve/detail/journey.hpp"
#include "proxy/serve/forwarded_fields.hpp"
#include "proxy/serve/handlers/status.hpp"
#include "proxy/serve/introduction.hpp"

// The attempts of a request to be answered by a server. What one attempt sends and hears stands in
// forward_request.cpp and forward_answer.cpp.
namespace gatehouse::serve {
namespace detail {

using backend::Lease;
using backend::Pool;
using Kind = backend::Choice::Kind;

bool has_body(const http::RequestHead& request) {
  const http::BodyLength& length = request.length;
  return length.kind != http::BodyLength::Kind::none &&
         !(length.kind == http::BodyLength::Kind::counted && length.bytes == 0);
}

awaitable<void> Journey::run(Worker& worker, http::ServerExchange& client, RequestFacts& facts,
                             std::shared_ptr<backend::Backend> backend) {
  Steady now = worker.clock.steady();
  Journey self(worker, client, facts, std::move(backend), now);
  for (;; now = worker.clock.steady()) {
    auto answered = co_await self.attempt(now);
    if (answered) co_return;
    const Remedy what = remedy(self.describe(answered.error()));
    if (self.pool_ && (what.counts || what.server_failed)) {
      using Avoid = backend::Backend::Avoid;
      const auto avoid = what.server_failed ? Avoid::yes : Avoid::no;
      self.backend_->failed(*self.pool_, answered.error(), self.probe_, avoid);
    }
    const bool again = self.tries_again(what);
    if (!self.dial_same_) self.slot_.release();
    if (again) continue;
    co_await self.give_up(answered.error(), what);
    co_return;
  }
}

awaitable<Result<void>> Journey::attempt(Steady now) {
  progress_ = Progress::connecting;
  nothing_written_ = true;
  answer_ = 0;
  std::optional<Lease> held;
  if (std::exchange(dial_same_, false)) {
    ++facts_.attempts;
    // After a stale one only a new one to the same server will do: others in its pool are as old.
    auto dialled = co_await dial();
    if (!dialled) co_return dialled.error();
    held = std::move(*dialled);
    now = worker_.clock.steady();
  } else {
    backend::Choice choice = backend_->choose(wish());
    const Kind kind = choice.kind;
    if (kind == Kind::server) held = idle_lease(std::move(choice));
    if (!held) {
      auto leased = co_await lease(kind);
      if (!leased) co_return leased.error();
      held = std::move(*leased);
      now = worker_.clock.steady();
    }
  }
  reused_ = held->reused();
  facts_.reused = reused_;
  if (request_.authority.empty()) {
    request_.authority = request_.fields.keep(pool_->server().authority);
  }

  ClientWatch watch(worker_.wheel, now, client_, held->exchange());
  watch_ = &watch;
  progress_ = Progress::request_sent;
  Result<void> done;
  if (has_body(request_)) {
    done = co_await converse(*held);
  } else {
    auto sent = send_head(*held, now);
    if (!sent.done()) {
      co_await sent.finish();
      now = worker_.clock.steady();
    }
    done = std::move(*sent);
    if (done || may_have_answered(done.error())) {
      expect_answer(*held, now);
      done = co_await relay_answer(*held);
    }
  }
  nothing_written_ = held->exchange().bytes_sent() == 0;
  if (done) {
    held->give_back();
  } else if (watch.gone()) {
    co_return Error(Fault::closed, Side::client, "client went away while its server was at work");
  }
  co_return done;
}

/// An idle connection to the server that was chosen: what most requests go by.
std::optional<Lease> Journey::idle_lease(backend::Choice choice) {
  pool_ = std::move(choice.pool);
  slot_ = std::move(choice.slot);
  probe_ = choice.probe;
  facts_.server = pool_->server().text;
  ++facts_.attempts;
  return Pool::take_idle(pool_, need(), again());
}

/// After a choice that brought no idle connection: waits where it must, and makes a new one.
awaitable<Result<Lease>> Journey::lease(Kind kind) {
  if (kind == Kind::full) {
    auto called = co_await queue();
    if (!called) co_return called.error();
    kind = called->kind;
    if (kind == Kind::server) {
      auto idle = idle_lease(std::move(*called));
      if (idle) co_return std::move(*idle);
    }
  }
  if (kind != Kind::server) co_return no_server(kind);
  auto fresh = co_await dial();
  co_return fresh;
}

awaitable<Result<Lease>> Journey::dial() {
  std::string opening = introduction(*plan_, facts_);
  auto fresh = co_await Pool::dial(pool_, need(), std::move(opening));
  co_return fresh;
}

backend::Again Journey::again() const {
  const bool may = is_idempotent(request_.method) && !has_body(request_);
  return may ? backend::Again::may : backend::Again::may_not;
}

backend::Wish Journey::wish() const {
  using backend::KeyOf;
  backend::Wish wish(tried_);
  wish.may_probe = again() == backend::Again::may;
  if (!plan_->sticky_cookie.empty()) {
    wish.pinned = backend::cookie_value(request_.fields, plan_->sticky_cookie).value_or("");
  }
  if (plan_->policy != backend::Policy::hash) return wish;
  std::optional<std::string_view> key;
  std::string client;
  switch (plan_->key_of) {
    case KeyOf::client:
      client = facts_.client_ip.to_string();
      key = client;
      break;
    case KeyOf::path:
      key = request_.path;
      break;
    case KeyOf::header:
      key = request_.fields.find(plan_->key_name);
      break;
    case KeyOf::cookie:
      key = backend::cookie_value(request_.fields, plan_->key_name);
      break;
  }
  if (key) wish.key = backend::stable_hash(*key);
  return wish;
}

/// Waits for its turn at a server, as long as it may take to be connected to one.
awaitable<Result<backend::Choice>> Journey::queue() {
  const Steady deadline = worker_.clock.steady() + plan_->connect_timeout;
  backend::Wish wanted = wish();
  for (;;) {
    backend_->listen();
    backend::Choice choice = backend_->choose(wanted);
    if (wanted.called && choice.kind != Kind::full) backend_->call_next();
    if (choice.kind != Kind::full) co_return choice;
    wanted.called = co_await backend_->wait(deadline, wanted.called);
    if (!wanted.called) co_return no_server(Kind::full);
    if (client_.client_gone()) {
      backend_->call_next();
      co_return Error(Fault::closed, Side::client, "client went away while it waited");
    }
  }
}

Error Journey::no_server(Kind kind) {
  switch (kind) {
    case Kind::full:
      come_again_ = std::chrono::seconds(1);
      facts_.rejected = "queue_full";
      return Error(Fault::limit, Side::self, "every server is at its max_requests");
    case Kind::none_healthy:
      come_again_ = backend_->recovery_expected();
      facts_.rejected = "no_server";
      return Error(Fault::limit, Side::self, "no server is healthy");
    case Kind::server:
    case Kind::none_left:
      break;
  }
  return Error(Fault::limit, Side::self, "no server is left to try");
}

awaitable<Result<void>> Journey::converse(Lease& lease) {
  using namespace asio::experimental::awaitable_operators;
  if (has_body(request_) && pieces_read_ == 0 && client_.body_at_hand()) {
    auto first = co_await read_piece();
    if (!first) co_return first.error();
  }
  if (!has_body(request_) || whole_body_at_hand()) {
    auto sent = co_await send_request(lease);
    if (!sent && !may_have_answered(sent.error())) co_return sent.error();
    expect_answer(lease, worker_.clock.steady());
    auto relayed = co_await relay_answer(lease);
    co_return relayed;
  }
  // The body comes piece by piece while the server may answer at any time. The answer's end ends
  // the upload; the upload's end does not end the answer.
  auto answering = relay_answer(lease);
  auto sending = send_request_and_park(lease);
  auto first = co_await (std::move(answering) || std::move(sending));
  if (first.index() == 0) co_return std::get<0>(std::move(first));
  co_return std::get<1>(std::move(first));
}

Failure Journey::describe(const Error& error) const {
  Failure failure;
  failure.fault = error.fault();
  failure.side = error.side();
  failure.progress = client_.head_sent() ? Progress::forwarded : progress_;
  failure.idempotent = is_idempotent(request_.method);
  failure.replayable = !read_on_;
  failure.connection_reused = reused_;
  failure.nothing_written = nothing_written_;
  failure.retried_stale = retried_stale_;
  failure.server_left = retries_left_ > 0;
  failure.answer = answer_;
  failure.retry_on = plan_->retry_on;
  return failure;
}

bool Journey::tries_again(const Remedy& remedy) {
  switch (remedy.retry) {
    case Remedy::Retry::no:
      return false;
    case Remedy::Retry::fresh_connection:
      retried_stale_ = true;
      dial_same_ = true;
      return true;
    case Remedy::Retry::next_server:
      tried_.push_back(pool_.get());
      if (!backend_->has_other(tried_) || !passage_.may_retry()) return false;
      --retries_left_;
      return true;
  }
  return false;
}

awaitable<void> Journey::give_up(const Error& error, const Remedy& remedy) {
  facts_.error = error.detail();
  if (client_.head_sent() || remedy.status == 0) {
    client_.abort();
    co_return;
  }
  if (remedy.end_client || !client_.body_finished()) client_.close_after();
  http::Fields more;
  if (remedy.status == 503 && come_again_.count() > 0) {
    more.add_copy("Retry-After", std::to_string(come_again_.count()));
  }
  co_await send_status(client_, facts_, remedy.status, more);
}

/// An answer that is rather asked for once more. Decides for good: the answer is dropped then.
bool Journey::repeats(int status) {
  if (!plan_->retry_on.covers(status)) return false;
  answer_ = status;
  const Failure failure = describe(Error(Fault::refused, Side::server, {}));
  tried_.push_back(pool_.get());
  const bool other = remedy(failure).retry == Remedy::Retry::next_server &&
                     backend_->has_other(tried_) && passage_.may_retry();
  tried_.pop_back();
  if (!other) answer_ = 0;
  return other;
}

}  // namespace detail

void clean_request(http::RequestHead& request, RequestFacts& facts) {
  if (facts.cleaned) return;
  facts.cleaned = true;
  http::remove_hop_by_hop(request.fields, http::Direction::request);
  remove_spoofable(request.fields, facts.peer_trusted);
}

Hop hop_of(const http::RequestHead& request, const RequestFacts& facts) {
  Hop hop;
  hop.peer = facts.peer;
  hop.client_ip = facts.client_ip;
  hop.peer_trusted = facts.peer_trusted;
  hop.scheme = facts.scheme();
  hop.authority = request.authority;
  hop.port = facts.listener_port;
  hop.request_id = facts.id;
  hop.version = request.version;
  return hop;
}

awaitable<void> forward(Worker& worker, http::ServerExchange& exchange, const Route& route,
                        RequestFacts& facts) {
  facts.backend = route.settings.backend;
  auto backend = worker.pools ? worker.pools->find(route.settings.backend) : nullptr;
  if (!backend) {
    facts.error = "no such backend";
    return send_status(exchange, facts, 503);
  }
  if (times_in_via(exchange.request().fields) >= most_times_in_via) {
    facts.rejected = "loop";
    return send_status(exchange, facts, 508);
  }
  // The head as a server gets it. Only fields change: method, path and query go on as they are.
  http::RequestHead& request = exchange.request();
  clean_request(request, facts);
  write_forwarded(request.fields, hop_of(request, facts));
  // The route's own edits last, when nothing that a client sent can take them back.
  route.request_edits.apply_to(request, facts);
  return detail::Journey::run(worker, exchange, facts, std::move(backend));
}

}  // namespace gatehouse::serve
