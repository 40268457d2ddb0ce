// A request on its way to a server: head and body, as the server takes them.

#include <boost/asio/post.hpp>

#include "core/base/fair_share.hpp"
#include "proxy/serve/detail/journey.hpp"
#include "proxy/serve/detail/pass_piece.hpp"

namespace gatehouse::serve::detail {

using backend::Lease;
using net::Want;

awaitable<Result<void>> Journey::read_piece() {
  read_on_ = pieces_read_ > 0;
  auto piece = co_await client_.read_body();
  if (!piece) co_return piece.error();
  ++pieces_read_;
  piece_ = *piece;
  co_return Result<void>();
}

Started<void> Journey::send_head(Lease& lease, Steady now) {
  const auto write_idle = facts_.snapshot->server().timeouts.write_idle;
  lease.exchange().deadline(Want::write, now + write_idle);
  return lease.exchange().start_head(request_);
}

/// Head and body. A piece that was read already (of an attempt that failed before it) goes first.
awaitable<Result<void>> Journey::send_request(Lease& lease) {
  http::ClientExchange& server = lease.exchange();
  const auto write_idle = facts_.snapshot->server().timeouts.write_idle;
  auto sent = co_await send_head(lease, worker_.clock.steady()).whole();
  if (!sent || !has_body(request_)) co_return sent;
  bool have_piece = pieces_read_ == 1;
  FairShare share;
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
    lease.exchange().deadline(Want::write, worker_.clock.steady() + write_idle);
    auto passed = co_await pass_piece(server, piece_);
    if (!passed || piece_.last) co_return passed;
    if (share.used_up(piece_.bytes.size())) co_await asio::post(asio::use_awaitable);
  }
}

/// Returns only when the attempt has failed: with its body sent, or refused by a server that may
/// have answered, it waits to be cancelled by the answer's end.
awaitable<Error> Journey::send_request_and_park(Lease& lease) {
  auto sent = co_await send_request(lease);
  if (!sent && !may_have_answered(sent.error())) co_return sent.error();
  expect_answer(lease, worker_.clock.steady());
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer parked(executor, Steady::max());
  co_await parked.async_wait(as_result);
  co_return Error(Fault::closed, Side::self, "cancelled");
}

/// From here on the server's time runs.
void Journey::expect_answer(Lease& lease, Steady now) {
  if (plan_->response_timeout.count() == 0 || progress_ == Progress::forwarded) return;
  lease.exchange().deadline(Want::read, now + plan_->response_timeout);
}

}  // namespace gatehouse::serve::detail
