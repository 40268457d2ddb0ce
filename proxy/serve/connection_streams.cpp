// The requests of an HTTP/2 connection, many at once.

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>

#include "proxy/serve/detail/streams.hpp"

namespace gatehouse::serve::detail {

using State = LiveConnections::State;

struct Streams::Busy {
  explicit Busy(Streams& all) : streams(all) {
    if (streams.busy_++ == 0) streams.place_.state(State::busy);
  }
  ~Busy() {
    if (--streams.busy_ > 0) return;
    streams.place_.state(State::idle);
    streams.idle_.set(streams.worker_.clock.steady() + patience);
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  Streams& streams;
};

/// Begins to wait. Cancelled, the carrier goes home.
struct Streams::Wait {
  template <class Handler>
  void operator()(Handler&& handler) const {
    auto slot = asio::get_associated_cancellation_slot(handler);
    carrier->waits.put(std::forward<Handler>(handler));
    streams->waiting_.push_back(carrier);
    if (slot.is_connected()) slot.template emplace<Leave>(streams, carrier);
  }
  struct Leave {
    Leave(Streams* all, Carrier* one) : streams(all), carrier(one) {}
    void operator()(asio::cancellation_type) const { streams->leave(*carrier); }
    Streams* streams;
    Carrier* carrier;
  };
  Streams* streams;
  Carrier* carrier;
};

Streams::Streams(Worker& worker, LiveConnections::Place& place, Make make)
    : worker_(worker),
      place_(place),
      make_(std::move(make)),
      under_way_(worker.executor()),
      idle_(worker.wheel, this, &Streams::idle) {}

/// Nobody waits any more, unless the worker ends with its connections in it.
Streams::~Streams() {
  while (!waiting_.empty()) {
    Carrier& carrier = *waiting_.back();
    waiting_.pop_back();
    carrier.waits.drop();
  }
}

void Streams::request(std::unique_ptr<http::ServerExchange> exchange) {
  if (waiting_.empty()) return under_way_.add(carry(std::move(exchange)));
  Carrier& carrier = *waiting_.back();
  waiting_.pop_back();
  carrier.next = std::move(exchange);
  carrier.waits.finish(Call::carry);
}

void Streams::refused(const http::Refusal& refusal) {
  make_()->refused(refusal, http::Version::http2);
}

awaitable<void> Streams::carry(std::unique_ptr<http::ServerExchange> first) {
  const auto transaction = make_();
  Carrier self;
  self.next = std::move(first);
  for (;;) {
    {
      const Busy busy(*this);
      const auto exchange = std::move(self.next);
      co_await transaction->answer(*exchange);
    }
    if (finished_ || waiting_.size() >= most_waiting) co_return;
    auto next =
        asio::async_initiate<const asio::deferred_t, void(Call)>(Wait{this, &self}, asio::deferred);
    const Call call = co_await std::move(next);
    if (call == Call::go_home) co_return;
  }
}

void Streams::leave(Carrier& carrier) {
  if (std::erase(waiting_, &carrier) > 0) carrier.waits.finish_later(worker_.io, Call::go_home);
}

void Streams::send_home() {
  while (!waiting_.empty()) leave(*waiting_.back());
}

void Streams::idle(void* self) noexcept {
  auto& streams = *static_cast<Streams*>(self);
  if (streams.busy_ == 0) streams.send_home();
}

void Streams::finish() {
  finished_ = true;
  send_home();
}

}  // namespace gatehouse::serve::detail
