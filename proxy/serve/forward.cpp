#include "proxy/serve/forward.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <optional>
#include <utility>

#include "core/base/bytes.hpp"
#include "core/http/header_rules.hpp"
#include "proxy/serve/backend/pools.hpp"
#include "proxy/serve/failure_table.hpp"
#include "proxy/serve/forwarded_fields.hpp"
#include "proxy/serve/handlers/status.hpp"
#include "proxy/serve/tunnel.hpp"
#include "proxy/serve/worker.hpp"

namespace gatehouse::serve {
namespace {

using namespace std::chrono_literals;
using backend::Lease;
using backend::Pool;
using http::BodyPiece;
using http::End;
using net::Want;

/// Looks every now and then whether the client is still there while we wait for its server, and
/// closes the server's connection when it is not. Costs a request two pointer writes.
class ClientWatch {
 public:
  ClientWatch(net::DeadlineWheel& wheel, http::ServerExchange& client, net::Stream& server)
      : wheel_(wheel), client_(client), server_(server), entry_(wheel, this, &ClientWatch::look) {
    entry_.set(wheel_.clock().steady() + every);
  }
  bool gone() const { return gone_; }

 private:
  static constexpr auto every = 250ms;
  static void look(void* self) noexcept {
    auto& watch = *static_cast<ClientWatch*>(self);
    watch.gone_ = watch.client_.client_gone();
    if (watch.gone_) {
      watch.server_.close();
    } else {
      watch.entry_.set(watch.wheel_.clock().steady() + every);
    }
  }

  net::DeadlineWheel& wheel_;
  http::ServerExchange& client_;
  net::Stream& server_;
  net::DeadlineWheel::Entry entry_;
  bool gone_ = false;
};

/// The head as a server gets it. Only fields change: method, path and query go on as they came.
void prepare_request(http::RequestHead& request, const RequestFacts& facts) {
  http::remove_hop_by_hop(request.fields, http::Direction::request);
  Hop hop;
  hop.peer = facts.peer;
  hop.client_ip = facts.client_ip;
  hop.peer_trusted = facts.peer_trusted;
  hop.scheme = facts.scheme();
  hop.authority = request.authority;
  hop.port = facts.listener_port;
  hop.request_id = facts.id;
  hop.version = request.version;
  remove_spoofable(request.fields, hop.peer_trusted);
  write_forwarded(request.fields, hop);
}

/// Takes out what is between the server and us: hop-by-hop fields, words for an accelerator in
/// front of it, and other places of service that are its own, not ours.
void prepare_answer(http::Fields& fields) {
  http::remove_hop_by_hop(fields, http::Direction::response);
  fields.remove_if([](const http::Field& line) {
    constexpr std::string_view accel = "x-accel-";
    return equal_ignoring_case(line.name, "Alt-Svc") ||
           equal_ignoring_case(line.name.substr(0, accel.size()), accel);
  });
}

http::Fields permitted_trailers(const http::Fields& trailers) {
  http::Fields out;
  for (const http::Field& line : trailers) {
    if (!http::is_forbidden_trailer(line.name)) out.add(line.name, line.value);
  }
  return out;
}

bool has_body(const http::RequestHead& request) {
  const http::BodyLength& length = request.length;
  return length.kind != http::BodyLength::Kind::none &&
         !(length.kind == http::BodyLength::Kind::counted && length.bytes == 0);
}

/// A server that closed may have answered before it did; everything else ends the attempt.
bool may_have_answered(const Error& error) {
  return error.side() == Side::server && error.fault() == Fault::closed;
}

/// One request on its way to a server and its answer on the way back. Lives in forward()'s frame.
class Journey {
 public:
  Journey(Worker& worker, http::ServerExchange& client, RequestFacts& facts,
          std::shared_ptr<backend::Backend> backend)
      : worker_(worker),
        client_(client),
        request_(client.request()),
        facts_(facts),
        backend_(std::move(backend)),
        plan_(backend_->plan()),
        passage_(*backend_),
        retries_left_(plan_->retries) {}

  awaitable<void> run();

 private:
  // The attempts.
  awaitable<Result<void>> attempt();
  awaitable<Result<Lease>> lease();
  awaitable<Result<void>> converse(Lease& lease);
  Failure describe(const Error& error) const;
  bool again(const Remedy& remedy);
  awaitable<void> give_up(const Error& error, const Remedy& remedy);

  // Towards the server.
  bool whole_body_at_hand() const { return pieces_read_ == 1 && piece_.last; }
  awaitable<Result<void>> read_piece();
  awaitable<Result<void>> send_request(Lease& lease);
  awaitable<Result<void>> send_piece(http::ClientExchange& server);
  awaitable<Error> send_request_and_park(Lease& lease);
  void expect_answer(Lease& lease);

  // Towards the client.
  awaitable<Result<void>> relay_answer(Lease& lease);
  awaitable<Result<http::ResponseHead*>> final_head(Lease& lease);
  awaitable<Result<void>> relay_body(http::ClientExchange& server);
  awaitable<Result<void>> relay_piece(BodyPiece piece);
  awaitable<Result<void>> switch_protocols(Lease& lease, http::ResponseHead& head);
  bool accepts_switch(const http::ResponseHead& head) const;

  Worker& worker_;
  http::ServerExchange& client_;
  http::RequestHead& request_;
  RequestFacts& facts_;
  std::shared_ptr<backend::Backend> backend_;
  std::shared_ptr<const backend::Plan> plan_;  // as it was when the request came
  backend::Backend::Passage passage_;

  std::shared_ptr<Pool> pool_;  // where the attempt under way goes
  std::vector<const Pool*> tried_;
  unsigned retries_left_;
  bool retried_stale_ = false;
  bool dial_same_ = false;  // the next attempt is a new connection to the same server
  Progress progress_ = Progress::connecting;
  bool reused_ = false;
  bool nothing_written_ = true;
  Steady began_{};

  BodyPiece piece_;  // of the request, the latest; valid until the next is read
  unsigned pieces_read_ = 0;
};

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
  auto fresh = co_await Pool::dial(pool_);
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

// --- Towards the server

awaitable<Result<void>> Journey::read_piece() {
  auto piece = co_await client_.read_body();
  if (!piece) co_return piece.error();
  ++pieces_read_;
  piece_ = *piece;
  co_return Result<void>();
}

/// Head and body. A piece that was read already (of an attempt that failed before it) goes first.
awaitable<Result<void>> Journey::send_request(Lease& lease) {
  http::ClientExchange& server = lease.exchange();
  const auto write_idle = facts_.snapshot->server().timeouts.write_idle;
  lease.stream().deadline(Want::write, worker_.clock.steady() + write_idle);
  auto sent = co_await server.send_head(request_);
  if (!sent || !has_body(request_)) co_return sent;
  bool have_piece = pieces_read_ == 1;
  for (;;) {
    if (!have_piece) {
      if (!client_.body_at_hand()) {
        auto flushed = co_await server.flush();
        if (!flushed) co_return flushed.error();
      }
      auto read = co_await read_piece();
      if (!read) co_return read.error();
    }
    have_piece = false;
    lease.stream().deadline(Want::write, worker_.clock.steady() + write_idle);
    auto passed = co_await send_piece(server);
    if (!passed || piece_.last) co_return passed;
  }
}

awaitable<Result<void>> Journey::send_piece(http::ClientExchange& server) {
  if (!piece_.last || piece_.trailers == nullptr) {
    const End end = piece_.last ? End::last : End::more;
    auto sent = co_await server.send_body(piece_.bytes, end);
    co_return sent;
  }
  if (!piece_.bytes.empty()) {
    auto sent = co_await server.send_body(piece_.bytes, End::more);
    if (!sent) co_return sent.error();
  }
  const http::Fields trailers = permitted_trailers(*piece_.trailers);
  auto sent = co_await server.send_trailers(trailers);
  co_return sent;
}

/// Returns only when the attempt has failed: with its body sent, or refused by a server that may
/// have answered, it waits to be cancelled by the answer's end.
awaitable<Error> Journey::send_request_and_park(Lease& lease) {
  auto sent = co_await send_request(lease);
  if (!sent && !may_have_answered(sent.error())) co_return sent.error();
  expect_answer(lease);
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer parked(executor, Steady::max());
  co_await parked.async_wait(as_result);
  co_return Error(Fault::closed, Side::self, "cancelled");
}

/// From here on the server's time runs.
void Journey::expect_answer(Lease& lease) {
  if (plan_->response_timeout.count() == 0 || progress_ == Progress::forwarded) return;
  lease.stream().deadline(Want::read, worker_.clock.steady() + plan_->response_timeout);
}

// --- Towards the client

awaitable<Result<void>> Journey::relay_answer(Lease& lease) {
  auto final = co_await final_head(lease);
  if (!final) co_return final.error();
  http::ResponseHead& head = **final;
  lease.stream().deadline(Want::read, Steady::max());
  facts_.backend_time = worker_.clock.steady() - began_;
  pool_->served();
  progress_ = Progress::forwarded;
  if (head.status == 101) {
    auto switched = co_await switch_protocols(lease, head);
    co_return switched;
  }
  prepare_answer(head.fields);
  // Early: what is left of the request is not read, so no other can follow on this connection.
  if (!client_.body_finished()) client_.close_after();
  const bool bodiless = request_.method == "HEAD" || head.status == 204 || head.status == 304 ||
                        head.length.kind == http::BodyLength::Kind::none;
  facts_.status = head.status;
  auto sent = co_await client_.send_head(head);
  if (!sent || bodiless) co_return sent;
  auto relayed = co_await relay_body(lease.exchange());
  co_return relayed;
}

awaitable<Result<http::ResponseHead*>> Journey::final_head(Lease& lease) {
  http::ClientExchange& server = lease.exchange();
  for (;;) {
    auto read = co_await server.read_head();
    if (!read) {
      progress_ = server.answered() ? Progress::answering : Progress::request_sent;
      co_return read.error();
    }
    progress_ = Progress::answering;
    http::ResponseHead& head = **read;
    if (head.status == 101 && !accepts_switch(head)) {
      co_return Error(Fault::bad_message, Side::server, "switched protocols without being asked");
    }
    if (head.status == 101 || head.status >= 200) co_return &head;
    if (head.status == 100) continue;  // we answered the client's Expect ourselves
    prepare_answer(head.fields);
    auto told = co_await client_.send_informational(head);
    if (!told) co_return told.error();
  }
}

/// Reads the next piece only after the client took the last; what may have to wait for the server
/// is not held back from the client.
awaitable<Result<void>> Journey::relay_body(http::ClientExchange& server) {
  for (;;) {
    if (!server.body_at_hand()) {
      auto flushed = co_await client_.flush();
      if (!flushed) co_return flushed.error();
    }
    auto piece = co_await server.read_body();
    if (!piece) co_return piece.error();
    auto passed = co_await relay_piece(*piece);
    if (!passed || piece->last) co_return passed;
  }
}

awaitable<Result<void>> Journey::relay_piece(BodyPiece piece) {
  if (!piece.last || piece.trailers == nullptr || !request_.accepts_trailers) {
    const End end = piece.last ? End::last : End::more;
    auto sent = co_await client_.send_body(piece.bytes, end);
    co_return sent;
  }
  if (!piece.bytes.empty()) {
    auto sent = co_await client_.send_body(piece.bytes, End::more);
    if (!sent) co_return sent.error();
  }
  const http::Fields trailers = permitted_trailers(*piece.trailers);
  auto sent = co_await client_.send_trailers(trailers);
  co_return sent;
}

bool Journey::accepts_switch(const http::ResponseHead& head) const {
  if (!request_.websocket || !head.websocket) return false;
  const auto key = request_.fields.find("Sec-WebSocket-Key");
  const auto accept = head.fields.find("Sec-WebSocket-Accept");
  return key && accept && *accept == websocket_accept(*key);
}

awaitable<Result<void>> Journey::switch_protocols(Lease& lease, http::ResponseHead& head) {
  prepare_answer(head.fields);
  auto client = co_await client_.upgrade(head);
  if (!client) co_return client.error();
  if (client->stream == nullptr) {
    co_return Error(Fault::bad_message, Side::self, "this client's protocol cannot be switched");
  }
  facts_.status = 101;
  facts_.tunnel = true;
  if (facts_.place) facts_.place->state(LiveConnections::State::tunnel);
  http::ServerExchange::Raw server = lease.exchange().raw();
  TunnelLimits limits;
  limits.write_idle = facts_.snapshot->server().timeouts.write_idle;
  TunnelEnd client_end{*client->stream, std::move(client->early)};
  TunnelEnd server_end{*server.stream, std::move(server.early)};
  const TunnelCounts moved = co_await run_tunnel(
      worker_.clock, worker_.buffers, std::move(client_end), std::move(server_end), limits);
  facts_.bytes_in += moved.from_client;
  facts_.bytes_out += moved.from_server;
  co_return Result<void>();
}

}  // namespace

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
  prepare_request(exchange.request(), facts);
  Journey journey(worker, exchange, facts, std::move(backend));
  co_await journey.run();
}

}  // namespace gatehouse::serve
