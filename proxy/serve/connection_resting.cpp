// A connection between requests, when it has waited for a while: no coroutine, no frames.

#include "proxy/serve/detail/connection.hpp"

namespace gatehouse::serve::detail {

/// From here on its stream has it. Nobody needs to know of it otherwise: it keeps its place among
/// the live connections, and ends when its stream is closed.
void Connection::lay_to_rest(std::unique_ptr<Connection> connection) {
  connection->place_.requests(connection.get());
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
  if (http2_) {
    http2_->connection.drain();
    return stream_->deadline(net::Want::read, worker_.clock.steady());
  }
  rest_.until = worker_.clock.steady() + drain_grace;
  stream_->deadline(net::Want::read, rest_.until);
}

bool Connection::make_way() {
  if (http2_) {
    const bool goes = http2_->connection.make_way();
    if (goes) stream_->deadline(net::Want::read, worker_.clock.steady());
    return goes;
  }
  if (rest_.until <= worker_.clock.steady() + drain_grace) return false;
  drain();
  return true;
}

void Connection::take_leave() {
  if (http2_) http2_->connection.take_leave();
}

}  // namespace gatehouse::serve::detail
