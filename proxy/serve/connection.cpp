#include "proxy/serve/connection.hpp"

#include <algorithm>
#include <exception>

#include "proxy/serve/access_ring.hpp"
#include "proxy/serve/detail/connection.hpp"
#include "proxy/serve/forwarded_fields.hpp"
#include "proxy/serve/handlers/chain.hpp"
#include "proxy/serve/handlers/challenge.hpp"
#include "proxy/serve/handlers/redirect.hpp"
#include "proxy/serve/handlers/status.hpp"
#include "proxy/serve/listening.hpp"

namespace gatehouse::serve {
namespace detail {
namespace {

using State = LiveConnections::State;

http::H1ServerSettings settings_of(const config::Server& server, bool tls) {
  http::H1ServerSettings settings;
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

bool visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

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
  http::H1ServerSettings settings;
  {
    const auto held = arrival_.door->snapshot(worker_);
    settings = settings_of((*held)->server(), tls_);
  }
  const http::H1Worker means{worker_.clock, worker_.buffers, worker_.date};
  http::H1ServerConnection requests(*stream_, means, settings);
  place_.requests(&requests);
  if (place_.closing() || worker_.draining) requests.drain();
  for (;;) {
    place_.state(State::idle);
    auto next = co_await requests.next();
    if (!next || *next == nullptr) break;
    place_.state(State::busy);
    co_await answer(**next);
  }
  place_.requests(nullptr);
  if (requests.refusal()) refused_head(requests.refusal());
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

/// One request from its head to its line in the log.
awaitable<void> Connection::answer(http::ServerExchange& exchange) {
  const auto held = arrival_.door->snapshot(worker_);
  const Snapshot& snapshot = **held;
  const http::RequestHead& request = exchange.request();
  begin_request(request, snapshot);
  const Admission admission = admit(snapshot, entrance(), worker_.challenges, request, facts_,
                                    worker_.certificates, path_room_);
  facts_.site = admission.site;
  facts_.route = admission.route;
  facts_.rejected = admission.reason;
  if (admission.last) exchange.close_after();
  std::exception_ptr cut;
  try {
    co_await send(exchange, admission);
  } catch (...) {
    cut = std::current_exception();  // cancelled, or our bug: the request has its line all the same
    if (facts_.error.empty()) facts_.error = "cut";
  }
  facts_.bytes_in += exchange.body_bytes_in();  // a tunnel has told its own
  facts_.bytes_out += exchange.body_bytes_out();
  end_request(request);
  if (cut) std::rethrow_exception(cut);
}

void Connection::begin_request(const http::RequestHead& request, const Snapshot& snapshot) {
  facts_.next_request();
  facts_.began = worker_.clock.steady();
  facts_.began_wall = worker_.clock.wall();
  facts_.snapshot = &snapshot;
  const ClientAddress client = resolve_client(request.fields, facts_.peer, snapshot.trusted());
  facts_.client_ip = client.ip;
  facts_.peer_trusted = client.peer_trusted;
  constexpr std::string_view digits = "0123456789abcdef";
  for (std::size_t half = 0; half < id_.size(); half += 16) {
    std::uint64_t bits = worker_.random();
    for (std::size_t i = 0; i < 16; ++i, bits >>= 4) id_[half + i] = digits[bits & 0xF];
  }
  facts_.id = std::string_view(id_.data(), id_.size());
  if (client.peer_trusted) {
    const auto given = request.fields.find("X-Request-Id");
    if (given && !given->empty() && given->size() <= 128 && visible(*given)) facts_.id = *given;
  }
  if (worker_.access) {
    facts_.user_agent = request.fields.find("User-Agent").value_or(std::string_view());
    facts_.referer = request.fields.find("Referer").value_or(std::string_view());
  }
}

awaitable<void> Connection::send(http::ServerExchange& exchange, const Admission& admission) {
  switch (admission.kind) {
    case Admission::Kind::challenge:
      ++worker_.counters.challenges;
      co_await send_challenge(exchange, facts_, *admission.key_authorization);
      break;
    case Admission::Kind::refused:
      if (admission.status == 400) exchange.close_after();
      co_await send_status(exchange, facts_, admission.status);
      break;
    case Admission::Kind::wait_then_to_https:
      co_await send_to_https_when_ready(worker_, exchange, *admission.site, facts_);
      break;
    case Admission::Kind::to_https: {
      std::string to = https_location(exchange.request(), admission.site->https_port);
      co_await send_redirect(exchange, facts_, 308, std::move(to));
      break;
    }
    case Admission::Kind::to_route:
      co_await run_handlers(worker_, exchange, *admission.route, facts_);
      break;
  }
}

void Connection::end_request(const http::RequestHead& request) {
  Counters& counters = worker_.counters;
  ++counters.requests;
  ++counters.answers[facts_.status > 0 ? static_cast<std::size_t>(facts_.status / 100) : 0];
  counters.rejected += facts_.rejected.empty() ? 0 : 1;
  counters.bytes_in += facts_.bytes_in;
  counters.bytes_out += facts_.bytes_out;
  if (!worker_.access || (facts_.route && !facts_.route->settings.access_log)) return;
  std::string& line = worker_.access->line();
  line.clear();
  facts_.snapshot->access_format().write(line, request, facts_, worker_.clock.steady(),
                                         worker_.access->hash_key());
  if (!worker_.access->put(line)) ++counters.log_lines_dropped;
}

/// A head that was no request: answered already where that was possible, logged here.
void Connection::refused_head(const http::Refusal& refusal) {
  const auto held = arrival_.door->snapshot(worker_);
  const http::RequestHead none;
  begin_request(none, **held);
  facts_.status = refusal.status;
  facts_.error = refusal.reason;
  facts_.rejected = "malformed";
  end_request(none);
}

}  // namespace detail

awaitable<void> serve_connection(Worker& worker, std::unique_ptr<net::Stream> stream,
                                 Arrival arrival) {
  detail::Connection connection(worker, std::move(stream), std::move(arrival));
  co_await connection.run();
}

}  // namespace gatehouse::serve
