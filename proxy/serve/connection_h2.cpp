// An HTTP/2 connection: many transactions at once.

#include <exception>
#include <functional>
#include <vector>

#include "core/base/log.hpp"
#include "core/http/h2_server.hpp"
#include "core/net/crew.hpp"
#include "core/net/keep_alive.hpp"
#include "proxy/serve/detail/connection.hpp"
#include "proxy/serve/detail/settings.hpp"
#include "proxy/serve/listening.hpp"

namespace gatehouse::serve::detail {
namespace {

using State = LiveConnections::State;

/// The transactions of one HTTP/2 connection, and some that wait for the next requests.
class Streams final : public http::H2Road {
 public:
  using Make = std::function<std::unique_ptr<Transaction>()>;
  Streams(Worker& worker, LiveConnections::Place& place, Make make)
      : place_(place), make_(std::move(make)), under_way_(worker.executor()) {}

  void request(std::unique_ptr<http::ServerExchange> exchange) override {
    under_way_.add(carry(std::move(exchange)));
  }
  void refused(const http::Refusal& refusal) override {
    auto transaction = take();
    transaction->refused(refusal, http::Version::http2);
    rest(std::move(transaction));
  }
  net::Crew& under_way() { return under_way_; }

 private:
  static constexpr std::size_t most_rested = 8;

  struct Busy {
    explicit Busy(Streams& streams) : place(streams.place_), count(streams.busy_) {
      if (count++ == 0) place.state(State::busy);
    }
    ~Busy() {
      if (--count == 0) place.state(State::idle);
    }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
    LiveConnections::Place& place;
    std::size_t& count;
  };
  awaitable<void> carry(std::unique_ptr<http::ServerExchange> exchange);
  std::unique_ptr<Transaction> take();
  void rest(std::unique_ptr<Transaction> transaction) {
    if (rested_.size() < most_rested) rested_.push_back(std::move(transaction));
  }

  LiveConnections::Place& place_;
  Make make_;
  net::Crew under_way_;
  std::size_t busy_ = 0;  // so many of them
  std::vector<std::unique_ptr<Transaction>> rested_;
};

std::unique_ptr<Transaction> Streams::take() {
  if (rested_.empty()) return make_();
  auto taken = std::move(rested_.back());
  rested_.pop_back();
  return taken;
}

awaitable<void> Streams::carry(std::unique_ptr<http::ServerExchange> exchange) {
  const Busy busy(*this);
  auto transaction = take();
  co_await transaction->answer(*exchange);
  rest(std::move(transaction));
}

}  // namespace

awaitable<void> Connection::serve_h2(std::string early) {
  http::H2ServerSettings settings;
  {
    const auto held = door_->snapshot(worker_);
    settings = settings_of<http::H2ServerSettings>((*held)->server(), tls());
    settings.streams = static_cast<std::uint32_t>((*held)->server().limits.h2_streams);
  }
  const http::H2ServerWorker means{
      {worker_.executor(), worker_.clock, worker_.wheel, worker_.buffers},
      worker_.date,
      worker_.around.entropy};
  Streams streams(worker_, place_, [this] {
    return std::make_unique<Transaction>(worker_, *door_, entrance(), facts_);
  });
  http::H2ServerConnection connection(*stream_, means, settings, streams);
  net::keep_alive(stream_->descriptor());  // calls of gRPC may be silent for hours
  place_.state(State::idle);
  begin_serving(connection);
  std::exception_ptr cut;
  try {
    co_await connection.run(std::move(early));
    co_await streams.under_way().gone();  // every stream has been told that it is over
  } catch (...) {
    cut = std::current_exception();
  }
  place_.requests(nullptr);
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
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
