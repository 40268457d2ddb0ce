// A connection between requests, when it has waited for a while: no coroutine, no frames.

#include "proxy/serve/detail/connection.hpp"

namespace gatehouse::serve::detail {

/// From here on its stream has it. Nobody needs to know of it otherwise: it keeps its place among
/// the live connections, and ends when its stream is closed.
void Connection::lay_to_rest(std::unique_ptr<Connection> connection) {
  http::ServerConnection* const self = connection.get();
  connection->place_.requests(connection->http2_ ? &connection->http2_->connection : self);
  net::Stream& stream = *connection->stream_;
  stream.rest(std::move(connection));
}

void Connection::wake(std::unique_ptr<net::Sleeper> self, Woken why) {
  place_.requests(nullptr);
  // HTTP/2 has words for its end.
  const bool goes_on = why == Woken::ready || (why == Woken::overdue && http2_);
  if (goes_on) {
    static_cast<void>(self.release());
    worker_.clients.add(serve(std::unique_ptr<Connection>(this)));
  } else if (why == Woken::overdue) {
    stream_->shutdown_write();
  }
}

/// As H1ServerConnection does it while it waits.
void Connection::drain() {
  rest_.until = worker_.clock.steady() + drain_grace;
  stream_->deadline(net::Want::read, rest_.until);
}

bool Connection::make_way() {
  if (rest_.until <= worker_.clock.steady() + drain_grace) return false;
  drain();
  return true;
}

}  // namespace gatehouse::serve::detail
