#include "proxy/serve/connection.hpp"

#include "proxy/serve/detail/connection.hpp"
#include "proxy/serve/listening.hpp"

namespace gatehouse::serve {
namespace detail {

Connection::Connection(Worker& worker, std::unique_ptr<net::Stream> stream, Arrival arrival)
    : worker_(worker),
      stream_(std::move(stream)),
      door_(std::move(arrival.door)),
      place_(worker.connections, stream_.get(), door_->address) {
  facts_.peer = arrival.peer;
  facts_.peer_port = arrival.peer_port;
  facts_.listener_port = door_->port;
  facts_.place = &place_;
}

Connection::~Connection() = default;

awaitable<void> Connection::serve(std::unique_ptr<Connection> connection) {
  if (!connection->begun_) {
    connection->begun_ = co_await connection->begin();
    if (!connection->begun_) co_return;
  }
  std::string preface;
  Left left = Left::to_h2;
  const bool chosen = connection->tls() && connection->facts_.tls->alpn == "h2";
  if (!chosen && !connection->http2_) left = co_await connection->serve_h1(preface);
  if (left == Left::to_h2) left = co_await connection->serve_h2(std::move(preface));
  if (left == Left::resting) lay_to_rest(std::move(connection));
}

/// `preface`: what the client began with where that is HTTP/2.
awaitable<Connection::Left> Connection::serve_h1(std::string& preface) {
  const http::H1Worker means{worker_.clock, worker_.buffers, worker_.date};
  http::H1ServerConnection requests(*stream_, means, *settings_, rest_);
  begin_serving(requests);
  Transaction transaction(worker_, *door_, entrance(), facts_);
  for (;;) {
    place_.state(LiveConnections::State::idle);
    auto next = co_await requests.next();
    if (!next || *next == nullptr) break;
    place_.state(LiveConnections::State::busy);
    co_await transaction.answer(**next);
  }
  place_.requests(nullptr);
  if (requests.rests()) {
    rest_ = requests.rest();
    co_return Left::resting;
  }
  if (requests.refusal()) transaction.refused(requests.refusal(), http::Version::http11);
  preface = requests.take_preface();
  co_return preface.empty() ? Left::over : Left::to_h2;
}

void Connection::begin_serving(http::ServerConnection& requests) {
  place_.requests(&requests);
  if (place_.closing() || worker_.draining) requests.drain();
}

Entrance Connection::entrance() const {
  Entrance entrance;
  entrance.listener = door_->address;
  entrance.tls = tls();
  if (tls()) {
    entrance.sni = facts_.tls->sni;
    if (facts_.tls->policy_id) entrance.policy_id = *facts_.tls->policy_id;
  }
  entrance.served = served_.get();
  return entrance;
}

}  // namespace detail

awaitable<void> serve_connection(Worker& worker, std::unique_ptr<net::Stream> stream,
                                 Arrival arrival) {
  return detail::Connection::serve(
      std::make_unique<detail::Connection>(worker, std::move(stream), std::move(arrival)));
}

}  // namespace gatehouse::serve
