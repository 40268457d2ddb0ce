#include "proxy/serve/handshake_turns.hpp"

#include "core/base/clock.hpp"

namespace gatehouse::serve {

/// In the queue from its birth until its turn, or its end.
class HandshakeTurns::Place {
 public:
  explicit Place(HandshakeTurns& turns)
      : turns_(turns),
        at_(turns.queue_.insert(turns.queue_.end(), this)),
        turn_(turns.io_, Steady::max()) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    if (waits_) turns_.queue_.erase(at_);
  }

  asio::steady_timer& turn() { return turn_; }
  void call() {
    waits_ = false;
    turns_.queue_.erase(at_);
    turn_.cancel();
  }

 private:
  HandshakeTurns& turns_;
  std::list<Place*>::iterator at_;
  asio::steady_timer turn_;  // a condition
  bool waits_ = true;
};

bool HandshakeTurns::take() {
  if (taken_) return false;
  begin();
  return true;
}

awaitable<void> HandshakeTurns::next() {
  Place place(*this);
  co_await place.turn().async_wait(as_result);
}

/// What is ready by now stands before the end of the turn, and the next handshake behind it.
void HandshakeTurns::begin() {
  taken_ = true;
  asio::post(io_, [this] { over(); });
}

void HandshakeTurns::over() {
  taken_ = false;
  if (queue_.empty()) return;
  queue_.front()->call();
  begin();
}

}  // namespace gatehouse::serve
