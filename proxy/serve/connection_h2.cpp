// An HTTP/2 connection.

#include <exception>

#include "core/base/log.hpp"
#include "proxy/serve/detail/connection.hpp"
#include "proxy/serve/detail/settings.hpp"
#include "proxy/serve/detail/streams.hpp"
#include "proxy/serve/listening.hpp"

namespace gatehouse::serve::detail {

using State = LiveConnections::State;

awaitable<void> Connection::serve_h2(std::string early) {
  http::H2ServerSettings settings;
  {
    const auto held = door_->snapshot(worker_);
    settings = settings_of<http::H2ServerSettings>(held->server(), tls());
    settings.streams = static_cast<std::uint32_t>(held->server().limits.h2_streams);
  }
  const http::H2ServerWorker means{
      {worker_.executor(), worker_.clock, worker_.wheel, worker_.buffers},
      worker_.date,
      worker_.around.entropy};
  Streams streams(worker_, place_, [this] {
    return std::make_unique<Transaction>(worker_, *door_, entrance(), facts_);
  });
  http::H2ServerConnection connection(*stream_, means, settings, streams);
  place_.state(State::idle);
  begin_serving(connection);
  std::exception_ptr cut;
  try {
    co_await connection.run(std::move(early));
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
}

void Connection::calm_down(http::H2Abuse abuse) {
  worker_.counters.reject(name(abuse));
  log::debug("HTTP/2 connection ended for abuse",
             {{"peer", facts_.peer.to_string()}, {"what", name(abuse)}});
}

}  // namespace gatehouse::serve::detail
