// A server's answer on its way to the client: interim heads, the final one, the body, or a switch
// of protocols.

#include <boost/asio/post.hpp>

#include "core/base/bytes.hpp"
#include "core/base/fair_share.hpp"
#include "core/http/header_rules.hpp"
#include "proxy/serve/backend/sticky.hpp"
#include "proxy/serve/detail/client_watch.hpp"
#include "proxy/serve/detail/journey.hpp"
#include "proxy/serve/detail/pass_piece.hpp"
#include "proxy/serve/tunnel.hpp"

namespace gatehouse::serve::detail {

using backend::Lease;
using net::Want;

namespace {

/// Takes out what is between the server and us: hop-by-hop fields, words for an accelerator in
/// front of it, and other places of service that are its own, not ours.
void prepare_answer(http::Fields& fields) {
  http::remove_hop_by_hop(fields, http::Direction::response);
  fields.remove({http::FieldName::alt_svc, http::FieldName::x_accel});
}

}  // namespace

awaitable<Result<void>> Journey::relay_answer(Lease& lease) {
  http::ClientExchange& server = lease.exchange();
  http::ResponseHead* head = nullptr;
  for (;;) {
    auto read = server.start_read_head();
    if (!read.done()) {
      auto rest = co_await read.rest();
      read = std::move(rest);
    }
    if (!*read) {
      progress_ = server.answered() ? Progress::answering : Progress::request_sent;
      co_return read->error();
    }
    progress_ = Progress::answering;
    head = **read;
    if (head->status >= 200 || head->status == 101) break;
    auto relayed = co_await relay_interim(*head);
    if (!relayed) co_return relayed.error();
  }
  if (head->status == 101 && !accepts_switch(*head)) {
    co_return Error(Fault::bad_message, Side::server, "switched protocols without being asked");
  }
  if (repeats(head->status)) {
    const std::string told = "answered " + std::to_string(head->status);
    co_return Error(Fault::refused, Side::server, told);
  }
  server_answered(lease, head->status);
  if (head->status == 101) {
    auto switched = co_await switch_protocols(lease, *head);
    co_return switched;
  }
  const bool bodiless = edit_answer(*head);
  auto sent = client_.start_head(*head);
  if (!sent.done()) co_await sent.finish();
  if (!*sent || bodiless) co_return *sent;
  // Reads the next piece only after the client took the last; what may have to wait for the server
  // is not held back from the client.
  FairShare share;
  for (;;) {
    if (!server.body_at_hand()) {
      auto flushed = client_.start_flush();
      if (!flushed.done()) co_await flushed.finish();
      if (!*flushed) co_return *flushed;
    }
    auto read = server.start_read_body();
    if (!read.done()) co_await read.finish();
    if (!*read) co_return read->error();
    http::BodyPiece piece = **read;
    if (!request_.accepts_trailers) piece.trailers = nullptr;
    if (piece.trailers != nullptr) {
      auto ended = co_await pass_piece(client_, piece);
      co_return ended;
    }
    auto passed = client_.start_body(piece.bytes, piece.last ? http::End::last : http::End::more);
    if (!passed.done()) co_await passed.finish();
    if (!*passed || piece.last) co_return *passed;
    if (share.used_up(piece.bytes.size())) co_await asio::post(asio::use_awaitable);
  }
}

awaitable<Result<void>> Journey::relay_interim(http::ResponseHead& head) {
  if (head.status == 100) co_return Result<void>();  // we answered the client's Expect ourselves
  prepare_answer(head.fields);
  auto told = co_await client_.send_informational(head);
  co_return told;
}

/// The answer is one that the client will see.
void Journey::server_answered(Lease& lease, int status) {
  lease.exchange().deadline(Want::read, Steady::max());
  facts_.backend_time = worker_.clock.steady() - began_;
  progress_ = Progress::forwarded;
  if (!plan_->retry_on.covers(status)) return backend_->served(*pool_, probe_);
  const Error told(Fault::refused, Side::server, "answered " + std::to_string(status));
  backend_->failed(*pool_, told, probe_, backend::Backend::Avoid::no);
}

/// True: no body follows.
bool Journey::edit_answer(http::ResponseHead& head) {
  prepare_answer(head.fields);
  if (!plan_->sticky_cookie.empty()) pin_client(head.fields);
  // Early: what is left of the request is not read, so no other can follow on this connection.
  if (!client_.body_finished()) client_.close_after();
  facts_.status = head.status;
  return request_.method == "HEAD" || head.status == 204 || head.status == 304 ||
         head.length.kind == http::BodyLength::Kind::none;
}

/// Tells the client's cookie which server answered, where it does not say so already.
void Journey::pin_client(http::Fields& fields) const {
  const std::string_view token = backend_->token(*pool_);
  const auto told = backend::cookie_value(request_.fields, plan_->sticky_cookie);
  if (token.empty() || told == token) return;
  const auto line = backend::sticky_cookie(plan_->sticky_cookie, token, facts_.secure());
  fields.add("Set-Cookie", fields.keep(line));
}

bool Journey::accepts_switch(const http::ResponseHead& head) const {
  if (!request_.websocket || !head.websocket) return false;
  const auto key = request_.fields.find("Sec-WebSocket-Key");
  const auto accept = head.fields.find("Sec-WebSocket-Accept");
  return key && accept && *accept == websocket_accept(*key);
}

awaitable<Result<void>> Journey::switch_protocols(Lease& lease, http::ResponseHead& head) {
  prepare_answer(head.fields);
  if (!plan_->sticky_cookie.empty()) pin_client(head.fields);
  auto client = co_await client_.upgrade(head);
  if (!client) co_return client.error();
  if (client->stream == nullptr) {
    co_return Error(Fault::bad_message, Side::self, "this client's protocol cannot be switched");
  }
  facts_.status = 101;
  facts_.tunnel = true;
  const LiveConnections::Tunnel counted(worker_.connections);
  http::ServerExchange::Raw server = lease.exchange().raw();
  // A tunnel may live for hours, and needs neither head: their buffers go back.
  watch_->rest();
  facts_.leave_head();
  client_.forget_head();
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

}  // namespace gatehouse::serve::detail
