#include "proxy/serve/forward.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <utility>

#include "core/http/header_rules.hpp"
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

bool has_body(const http::RequestHead& request) {
  const http::BodyLength& length = request.length;
  return length.kind != http::BodyLength::Kind::none &&
         !(length.kind == http::BodyLength::Kind::counted && length.bytes == 0);
}

awaitable<void> Journey::run() {
  began_ = worker_.clock.steady();
  for (;;) {
    auto answered = co_await attempt();
    if (answered) co_return;
    const Remedy what = remedy(describe(answered.error()));
    if (what.server_failed && pool_) pool_->failed(answered.error());
    if (again(what)) continue;
    co_await give_up(answered.error(), what);
    co_return;
  }
}

awaitable<Result<void>> Journey::attempt() {
  progress_ = Progress::connecting;
  nothing_written_ = true;
  ++facts_.attempts;
  auto leased = co_await lease();
  if (!leased) co_return leased.error();
  Lease held = std::move(*leased);
  reused_ = held.reused();
  facts_.reused = reused_;
  if (request_.authority.empty()) {
    request_.authority = request_.fields.keep(pool_->server().authority);
  }

  ClientWatch watch(worker_.wheel, client_, held.stream());
  progress_ = Progress::request_sent;
  auto done = co_await converse(held);
  nothing_written_ = held.exchange().bytes_sent() == 0;
  if (done) {
    held.give_back();
  } else if (watch.gone()) {
    co_return Error(Fault::closed, Side::client, "client went away while its server was at work");
  }
  co_return done;
}

/// An idle connection, or a new one to a server that was not tried yet. After a stale one only a
/// new one to the same server will do: others in its pool are as old.
awaitable<Result<Lease>> Journey::lease() {
  if (!std::exchange(dial_same_, false)) {
    pool_ = backend_->choose(tried_);
    if (!pool_) co_return Error(Fault::limit, Side::self, "no server to choose from");
    facts_.server = pool_->server().text;
    auto idle = Pool::take_idle(pool_);
    if (idle) co_return std::move(*idle);
  }
  std::string opening = introduction(*plan_, facts_);
  auto fresh = co_await Pool::dial(pool_, std::move(opening));
  co_return fresh;
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
    expect_answer(lease);
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
  failure.replayable = pieces_read_ <= 1;  // the first piece is still where it was
  failure.connection_reused = reused_;
  failure.nothing_written = nothing_written_;
  failure.retried_stale = retried_stale_;
  failure.server_left = retries_left_ > 0;
  return failure;
}

bool Journey::again(const Remedy& remedy) {
  switch (remedy.retry) {
    case Remedy::Retry::no:
      return false;
    case Remedy::Retry::fresh_connection:
      retried_stale_ = true;
      dial_same_ = true;
      return true;
    case Remedy::Retry::next_server:
      tried_.push_back(pool_.get());
      if (!backend_->choose(tried_) || !passage_.may_retry()) return false;
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
  co_await send_status(client_, facts_, remedy.status);
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
    co_await send_status(exchange, facts, 503);
    co_return;
  }
  if (times_in_via(exchange.request().fields) >= most_times_in_via) {
    facts.rejected = "loop";
    co_await send_status(exchange, facts, 508);
    co_return;
  }
  // The head as a server gets it. Only fields change: method, path and query go on as they are.
  http::RequestHead& request = exchange.request();
  clean_request(request, facts);
  write_forwarded(request.fields, hop_of(request, facts));
  detail::Journey journey(worker, exchange, facts, std::move(backend));
  co_await journey.run();
}

}  // namespace gatehouse::serve
