#include "proxy/serve/connection.hpp"

#include <algorithm>
#include <exception>

#include "core/base/contains.hpp"
#include "core/base/log.hpp"
#include "core/net/keep_alive.hpp"
#include "proxy/serve/detail/connection.hpp"
#include "proxy/serve/listening.hpp"

namespace gatehouse::serve {
namespace detail {
namespace {

using State = LiveConnections::State;

bool speaks(const config::Server& server, std::string_view protocol) {
  return contains(server.protocols, protocol);
}

/// What both protocols are told alike.
template <class Settings>
Settings settings_of(const config::Server& server, bool tls) {
  Settings settings;
  settings.head.header_bytes = server.limits.header_bytes;
  settings.head.header_count = server.limits.header_count;
  settings.scheme = tls ? http::Scheme::https : http::Scheme::http;
  settings.body_bytes = server.limits.body;
  settings.requests = server.limits.requests_per_connection;
  settings.min_rate = server.timeouts.min_rate;
  settings.request_header = server.timeouts.request_header;
  settings.idle = server.timeouts.idle;
  settings.read_idle = server.timeouts.read_idle;
  settings.write_idle = server.timeouts.write_idle;
  return settings;
}

// Transactions that an HTTP/2 connection keeps for the next requests.
constexpr std::size_t most_rested = 8;

}  // namespace

Connection::Connection(Worker& worker, std::unique_ptr<net::Stream> stream, Arrival arrival)
    : worker_(worker),
      stream_(std::move(stream)),
      arrival_(std::move(arrival)),
      place_(worker.connections, stream_.get(), arrival_.door->address) {
  facts_.peer = arrival_.peer;
  facts_.peer_port = arrival_.peer_port;
  facts_.listener_port = arrival_.door->port;
  facts_.place = &place_;
}

awaitable<void> Connection::run() {
  const bool begun = co_await begin();
  if (begun) co_await serve_requests();
}

awaitable<void> Connection::serve_requests() {
  std::string preface;
  if (session_.alpn != "h2") {
    preface = co_await serve_h1();
    if (preface.empty()) co_return;
  }
  co_await serve_h2(std::move(preface));
}

/// Returns what the client began with where that is HTTP/2.
awaitable<std::string> Connection::serve_h1() {
  http::H1ServerSettings settings;
  {
    const auto held = arrival_.door->snapshot(worker_);
    settings = settings_of<http::H1ServerSettings>((*held)->server(), tls_);
    settings.may_be_h2 = !tls_ && speaks((*held)->server(), "h2");
  }
  const http::H1Worker means{worker_.clock, worker_.buffers, worker_.date};
  http::H1ServerConnection requests(*stream_, means, settings);
  begin_serving(requests);
  Transaction transaction(worker_, *arrival_.door, entrance(), facts_);
  for (;;) {
    place_.state(State::idle);
    auto next = co_await requests.next();
    if (!next || *next == nullptr) break;
    place_.state(State::busy);
    co_await transaction.answer(**next);
  }
  place_.requests(nullptr);
  if (requests.refusal()) transaction.refused(requests.refusal(), http::Version::http11);
  co_return requests.take_preface();
}

void Connection::begin_serving(http::ServerConnection& requests) {
  place_.requests(&requests);
  if (place_.closing() || worker_.draining) requests.drain();
}

awaitable<void> Connection::serve_h2(std::string early) {
  http::H2ServerSettings settings;
  {
    const auto held = arrival_.door->snapshot(worker_);
    settings = settings_of<http::H2ServerSettings>((*held)->server(), tls_);
    settings.streams = static_cast<std::uint32_t>((*held)->server().limits.h2_streams);
  }
  const http::H2ServerWorker means{
      {worker_.executor(), worker_.clock, worker_.wheel, worker_.buffers},
      worker_.date,
      worker_.around.entropy};
  http::H2ServerConnection connection(*stream_, means, settings, *this);
  net::keep_alive(stream_->descriptor());  // calls of gRPC may be silent for hours
  net::Crew transactions(worker_.executor());
  under_way_ = &transactions;
  place_.state(State::idle);
  begin_serving(connection);
  std::exception_ptr cut;
  try {
    co_await connection.run(std::move(early));
    co_await transactions.gone();  // every stream has been told that it is over
  } catch (...) {
    cut = std::current_exception();
  }
  place_.requests(nullptr);
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  transactions.stop();
  co_await transactions.gone();
  if (connection.abuse() != http::H2Abuse::none) calm_down(connection.abuse());
  if (cut) std::rethrow_exception(cut);
}

void Connection::calm_down(http::H2Abuse abuse) {
  worker_.counters.reject(name(abuse));
  log::debug("HTTP/2 connection ended for abuse",
             {{"peer", facts_.peer.to_string()}, {"what", name(abuse)}});
}

std::unique_ptr<Transaction> Connection::make_transaction() {
  if (rested_.empty()) {
    return std::make_unique<Transaction>(worker_, *arrival_.door, entrance(), facts_);
  }
  auto made = std::move(rested_.back());
  rested_.pop_back();
  return made;
}

void Connection::rest(std::unique_ptr<Transaction> transaction) {
  if (rested_.size() < most_rested) rested_.push_back(std::move(transaction));
}

void Connection::request(std::unique_ptr<http::ServerExchange> exchange) {
  under_way_->add(carry(std::move(exchange)));
}

awaitable<void> Connection::carry(std::unique_ptr<http::ServerExchange> exchange) {
  const Busy busy(*this);
  auto transaction = make_transaction();
  co_await transaction->answer(*exchange);
  rest(std::move(transaction));
}

void Connection::refused(const http::Refusal& refusal) {
  auto transaction = make_transaction();
  transaction->refused(refusal, http::Version::http2);
  rest(std::move(transaction));
}

Entrance Connection::entrance() const {
  Entrance entrance;
  entrance.listener = arrival_.door->address;
  entrance.tls = tls_;
  entrance.sni = session_.sni;
  entrance.policy_id = session_.policy_id;
  entrance.served = served_.get();
  return entrance;
}

}  // namespace detail

awaitable<void> serve_connection(Worker& worker, std::unique_ptr<net::Stream> stream,
                                 Arrival arrival) {
  detail::Connection connection(worker, std::move(stream), std::move(arrival));
  co_await connection.run();
}

}  // namespace gatehouse::serve
