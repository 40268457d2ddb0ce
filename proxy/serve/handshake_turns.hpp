#pragma once

#include <cstddef>
#include <list>

#include "core/base/asio.hpp"

namespace gatehouse::serve {

/// Handshakes of one worker, one at a time: the cryptography of one takes as long as dozens of
/// requests, and where many clients come at once, as after a start or to names just obtained, the
/// requests of all others would wait until the last of them is through. Between two turns the event
/// loop comes round, so that a request waits for two handshakes at most. Who comes alone does not
/// wait. Touch it on its worker only; it outlives `io`'s handlers and frames.
class HandshakeTurns {
 public:
  explicit HandshakeTurns(asio::io_context& io) : io_(io) {}
  HandshakeTurns(const HandshakeTurns&) = delete;
  HandshakeTurns& operator=(const HandshakeTurns&) = delete;

  /// True: it is the caller's turn, now. False: another one has it; next() waits for one.
  bool take();
  /// Returns when it is the caller's turn, in the order of the calls. Who is cancelled leaves the
  /// queue.
  awaitable<void> next();
  std::size_t waiting() const { return queue_.size(); }

 private:
  class Place;

  void begin();
  void over();

  asio::io_context& io_;
  std::list<Place*> queue_;
  bool taken_ = false;  // since the loop last came round
};

}  // namespace gatehouse::serve
