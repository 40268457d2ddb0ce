// An HTTP/2 connection.

#include <exception>

#include "core/base/log.hpp"
#include "proxy/serve/detail/connection.hpp"
#include "proxy/serve/detail/settings.hpp"
#include "proxy/serve/detail/streams.hpp"
#include "proxy/serve/listening.hpp"

namespace gatehouse::serve::detail {

using State = LiveConnections::State;

Connection::Http2::Http2(Connection& of, const http::H2ServerWorker& means,
                         const http::H2ServerSettings& settings)
    : streams(of.worker_, of.place_,
              [&of] {
                return std::make_unique<Transaction>(of.worker_, *of.door_, of.entrance(),
                                                     of.facts_);
              }),
      connection(*of.stream_, means, settings, streams) {}

std::unique_ptr<Connection::Http2> Connection::make_http2() {
  const auto held = door_->snapshot(worker_);
  auto settings = settings_of<http::H2ServerSettings>(held->server(), tls());
  settings.streams = static_cast<std::uint32_t>(held->server().limits.h2_streams);
  const http::H2ServerWorker means{
      {worker_.executor(), worker_.clock, worker_.wheel, worker_.buffers},
      worker_.date,
      worker_.around.entropy};
  return std::make_unique<Http2>(*this, means, settings);
}

awaitable<Connection::Left> Connection::serve_h2(std::string early) {
  if (!http2_) http2_ = make_http2();
  auto& [streams, connection] = *http2_;
  place_.state(State::idle);
  begin_serving(connection);
  using AtRest = http::H2Connection::AtRest;
  std::exception_ptr cut;
  try {
    co_await connection.run(std::move(early), AtRest::leave);
    if (connection.rests()) {
      // Nobody could wait for a task where the connection ended at rest.
      if (streams.under_way().size() == 0) co_return Left::resting;
      co_await connection.run(std::string(), AtRest::wait);
    }
    streams.finish();
    co_await streams.under_way().gone();  // every stream has been told that it is over
  } catch (...) {
    cut = std::current_exception();
  }
  place_.requests(nullptr);
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  streams.finish();  // where run() was cut
  streams.under_way().stop();
  co_await streams.under_way().gone();
  if (connection.abuse() != http::H2Abuse::none) calm_down(connection.abuse());
  if (cut) std::rethrow_exception(cut);
  co_return Left::over;
}

void Connection::calm_down(http::H2Abuse abuse) {
  worker_.counters.reject(name(abuse));
  log::debug("HTTP/2 connection ended for abuse",
             {{"peer", facts_.peer.to_string()}, {"what", name(abuse)}});
}

}  // namespace gatehouse::serve::detail
