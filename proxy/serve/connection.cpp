#include "proxy/serve/connection.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <exception>
#include <optional>

#include "core/base/log.hpp"
#include "core/http/h1_server.hpp"
#include "core/net/listen_socket.hpp"
#include "core/net/proxy_header.hpp"
#include "core/tls/tls_stream.hpp"
#include "proxy/serve/access_ring.hpp"
#include "proxy/serve/admission.hpp"
#include "proxy/serve/certificate_wait.hpp"
#include "proxy/serve/forward.hpp"
#include "proxy/serve/forwarded_fields.hpp"
#include "proxy/serve/handlers/redirect.hpp"
#include "proxy/serve/handlers/respond.hpp"
#include "proxy/serve/handlers/status.hpp"
#include "proxy/serve/hello.hpp"
#include "proxy/serve/listening.hpp"

namespace gatehouse::serve {
namespace {

using namespace std::chrono_literals;
using net::Want;
using Step = tls::ServerHandshake::Step;
using State = LiveConnections::State;

constexpr auto proxy_header_patience = 5s;
constexpr auto farewell_patience = 2s;
constexpr std::size_t most_ignored = 64 * 1024;  // of what a client goes on sending

/// A new name whose certificate could not be had yet may be asked for again so much later.
constexpr std::string_view retry_after_seconds = "30";

constexpr std::string_view plain_on_tls =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Length: 44\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    "This port speaks TLS: use https:// instead.\n";

/// Reads the PROXY header and not one octet past it: what follows belongs to TLS or HTTP, and so
/// it is looked at before it is taken.
awaitable<Result<net::ProxyHeader>> read_proxy_header(net::Stream& stream) {
  std::array<char, net::most_proxy_header> room;
  std::size_t have = 0;
  for (;;) {
    auto ready = co_await stream.wait(Want::read);
    if (!ready) co_return ready.error();
    const ssize_t seen = ::recv(stream.descriptor(), room.data() + have, room.size() - have,
                                MSG_PEEK | MSG_DONTWAIT);
    if (seen < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (seen <= 0) co_return Error(Fault::closed, Side::client, "no PROXY header");
    const std::size_t at_hand = have + static_cast<std::size_t>(seen);
    auto header = net::parse_proxy_header(std::string_view(room.data(), at_hand));
    if (!header) co_return header.error();
    const std::size_t wanted = header->length == 0 ? at_hand : header->length;
    while (have < wanted) {
      const net::IoResult got = stream.try_read(std::span(room).subspan(have, wanted - have));
      if (got.state != net::IoState::done) co_return stream.error();
      have += got.bytes;
    }
    if (header->length != 0) co_return header;
    if (have == room.size()) co_return Error(Fault::bad_message, Side::client, "PROXY header");
  }
}

/// Says a last word and waits until the client has read it: closing with its octets unread would
/// make the kernel take the answer back (RFC 9112 §9.6).
awaitable<void> say_farewell(net::Stream& stream, Steady deadline, std::string_view words) {
  stream.deadline(Want::read, deadline);
  stream.deadline(Want::write, deadline);
  const auto said = co_await stream.write(words);
  if (!said) co_return;
  stream.shutdown_write();
  std::array<char, 1024> ignored;
  for (std::size_t total = 0; total < most_ignored;) {
    const auto got = co_await stream.read_some(ignored);
    if (!got || *got == 0) co_return;
    total += *got;
  }
}

asio::ip::address local_address(const net::Stream& stream) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(stream.descriptor(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return {};
  }
  return net::address_of(&address).first;
}

/// What a handshake that cannot get its certificate ends with.
Alert alert_for(const Error& error) {
  const bool unknown = error.fault() == Fault::denied || error.fault() == Fault::not_found;
  return unknown ? Alert::unrecognized_name : Alert::internal_error;
}

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

class Connection {
 public:
  Connection(Worker& worker, std::unique_ptr<net::Stream> stream, Arrival arrival);
  awaitable<void> run();

 private:
  awaitable<bool> begin();
  awaitable<bool> introduce(const Snapshot& snapshot);
  awaitable<bool> shake_hands(config::Duration patience);
  awaitable<bool> hand_shaken(tls::ServerHandshake& handshake, SiteJudge& judge, net::Stream& under,
                              Steady deadline);
  awaitable<bool> bring_certificate(tls::ServerHandshake& handshake, SiteJudge& judge);
  awaitable<void> serve_requests();
  awaitable<void> answer(http::ServerExchange& exchange);
  awaitable<void> send(http::ServerExchange& exchange, const Admission& admission);
  awaitable<void> send_challenge(http::ServerExchange& exchange, const std::string& answer);
  awaitable<void> redirect_when_ready(http::ServerExchange& exchange, const Site& site);
  awaitable<void> handle(http::ServerExchange& exchange, const Route& route);
  void begin_request(const http::RequestHead& request, const Snapshot& snapshot);
  void end_request(const http::RequestHead& request);
  void refused_head(const http::Refusal& refusal);
  Entrance entrance() const;

  Worker& worker_;
  std::unique_ptr<net::Stream> stream_;
  Arrival arrival_;
  LiveConnections::Place place_;
  std::optional<asio::ip::address> told_local_;  // by the PROXY header
  tls::SessionFacts session_;
  tls::CertificateHandle served_;
  bool tls_ = false;
  RequestFacts facts_;
  std::array<char, 32> id_;
  std::string path_room_;
};

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

/// Everything before the first request. The snapshot it goes by is let go with it: a connection
/// that waits for requests keeps none alive.
awaitable<bool> Connection::begin() {
  const auto held = worker_.snapshot.take();
  const Endpoint* endpoint = held ? (*held)->endpoint(arrival_.door->address) : nullptr;
  if (endpoint == nullptr) co_return false;
  tls_ = endpoint->tls;
  const bool introduced = co_await introduce(**held);
  if (!introduced || !tls_) co_return introduced;
  const bool shaken = co_await shake_hands((*held)->server().timeouts.handshake);
  if (shaken) facts_.tls = &session_;
  co_return shaken;
}

/// True: go on, with the addresses the PROXY header told where one is due.
awaitable<bool> Connection::introduce(const Snapshot& snapshot) {
  if (!snapshot.server().proxy_protocol || !snapshot.trusts(facts_.peer)) co_return true;
  stream_->deadline(Want::read, worker_.clock.steady() + proxy_header_patience);
  auto header = co_await read_proxy_header(*stream_);
  if (!header) {
    ++worker_.counters.rejected;
    log::debug("PROXY header refused",
               {{"peer", facts_.peer.to_string()}, {"why", header.error().detail()}});
    co_return false;
  }
  stream_->deadline(Want::read, Steady::max());
  if (header->local) co_return true;
  facts_.peer = header->source;
  facts_.peer_port = header->source_port;
  facts_.listener_port = header->destination_port;
  told_local_ = header->destination;
  co_return true;
}

awaitable<bool> Connection::shake_hands(config::Duration patience) {
  const Steady deadline = worker_.clock.steady() + patience;
  stream_->deadline(Want::read, deadline);
  stream_->deadline(Want::write, deadline);
  net::Stream& under = *stream_;
  SiteJudge judge(worker_, arrival_.door->address,
                  [&] { return told_local_.value_or(local_address(under)); });
  auto handshake = tls::ServerHandshake::make(std::move(stream_), judge);
  const bool done = co_await hand_shaken(*handshake, judge, under, deadline);
  if (!done) {
    ++worker_.counters.handshakes_failed;
    if (handshake->plain_http()) {
      co_await say_farewell(under, worker_.clock.steady() + farewell_patience, plain_on_tls);
    }
    place_.stream(nullptr);  // dies with the handshake
    co_return false;
  }
  session_ = handshake->facts();
  served_ = judge.served();
  stream_ = handshake->finish();
  place_.stream(stream_.get());
  ++worker_.counters.handshakes;
  worker_.counters.handshakes_resumed += session_.resumed ? 1 : 0;
  stream_->deadline(Want::read, Steady::max());
  stream_->deadline(Want::write, Steady::max());
  if (!session_.challenge) co_return true;
  ++worker_.counters.challenges;  // RFC 8737 §3: nothing follows the handshake
  stream_->shutdown_write();
  co_return false;
}

/// Runs the handshake to its end. What it waits for a certificate does not count.
awaitable<bool> Connection::hand_shaken(tls::ServerHandshake& handshake, SiteJudge& judge,
                                        net::Stream& under, Steady deadline) {
  constexpr int most_suspensions = 2;
  for (int suspended = 0; suspended <= most_suspensions; ++suspended) {
    auto step = co_await handshake.run();
    if (!step) {
      log::debug("handshake failed",
                 {{"peer", facts_.peer.to_string()}, {"why", step.error().detail()}});
      co_return false;
    }
    if (*step == Step::done) co_return true;
    const Steady asked = worker_.clock.steady();
    under.deadline(Want::read, Steady::max());
    const bool brought = co_await bring_certificate(handshake, judge);
    if (!brought) co_return false;
    deadline += worker_.clock.steady() - asked;
    under.deadline(Want::read, deadline);
    under.deadline(Want::write, deadline);
  }
  handshake.refuse(static_cast<std::uint8_t>(Alert::internal_error));
  co_return false;
}

awaitable<bool> Connection::bring_certificate(tls::ServerHandshake& handshake, SiteJudge& judge) {
  std::string host = judge.wanted();
  auto certificates = co_await wait_for_certificate(worker_, std::move(host), facts_.peer);
  if (certificates) {
    judge.bring(std::move(*certificates));
    co_return true;
  }
  log::debug("handshake refused for want of a certificate",
             {{"name", judge.wanted()}, {"why", certificates.error().detail()}});
  handshake.refuse(static_cast<std::uint8_t>(alert_for(certificates.error())));
  co_return false;
}

awaitable<void> Connection::serve_requests() {
  http::H1ServerSettings settings;
  {
    const auto held = worker_.snapshot.take();
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
  const auto held = worker_.snapshot.take();
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
      co_await send_challenge(exchange, *admission.key_authorization);
      break;
    case Admission::Kind::refused:
      if (admission.status == 400) exchange.close_after();
      co_await send_status(exchange, facts_, admission.status);
      break;
    case Admission::Kind::wait_then_to_https:
      co_await redirect_when_ready(exchange, *admission.site);
      break;
    case Admission::Kind::to_https: {
      std::string to = https_location(exchange.request(), admission.site->https_port);
      co_await send_redirect(exchange, facts_, 308, std::move(to));
      break;
    }
    case Admission::Kind::to_route:
      co_await handle(exchange, *admission.route);
      break;
  }
}

awaitable<void> Connection::send_challenge(http::ServerExchange& exchange,
                                           const std::string& answer) {
  const std::string body = answer;  // the board may drop it while we send
  ++worker_.counters.challenges;
  http::ResponseHead head;
  head.status = 200;
  head.reason = "OK";
  head.length = http::BodyLength::counted(body.size());
  head.fields.add("Content-Type", "text/plain");
  facts_.status = 200;
  const auto begun = co_await exchange.send_head(head);
  if (!begun) co_return;
  co_await exchange.send_body(body, http::End::last);
}

/// A plain request for a name first seen now: its certificate is ordered before the client is sent
/// where it needs it.
awaitable<void> Connection::redirect_when_ready(http::ServerExchange& exchange, const Site& site) {
  std::string host = exchange.request().host;
  auto ready = co_await wait_for_certificate(worker_, std::move(host), facts_.client_ip);
  if (ready) {
    std::string to = https_location(exchange.request(), site.https_port);
    co_await send_redirect(exchange, facts_, 308, std::move(to));
    co_return;
  }
  facts_.error = ready.error().detail();
  const Fault fault = ready.error().fault();
  if (fault == Fault::denied || fault == Fault::not_found) {
    facts_.rejected = "denied";
    co_await send_status(exchange, facts_, 403);
    co_return;
  }
  http::Fields more;
  more.add("Retry-After", retry_after_seconds);
  co_await send_status(exchange, facts_, 503, more);
}

/// A route's handlers in their fixed order.
awaitable<void> Connection::handle(http::ServerExchange& exchange, const Route& route) {
  const http::RequestHead& request = exchange.request();
  const std::uint64_t most = route.settings.max_body;
  if (most != 0) exchange.limit_body(most);
  const std::uint64_t everywhere = facts_.snapshot->server().limits.body;
  const bool counted = request.length.kind == http::BodyLength::Kind::counted;
  const bool over = (most != 0 && request.length.bytes > most) ||
                    (everywhere != 0 && request.length.bytes > everywhere);
  if (counted && over) {
    facts_.rejected = "too_large";
    exchange.close_after();
    co_await send_status(exchange, facts_, 413);
  } else if (route.settings.redirect) {
    std::string to = redirect_location(route, request, facts_);
    co_await send_redirect(exchange, facts_, route.settings.redirect->status, std::move(to));
  } else if (route.settings.respond) {
    co_await send_respond(exchange, facts_, *route.settings.respond);
  } else if (!route.settings.backend.empty()) {
    co_await forward(worker_, exchange, route, facts_);
  } else {
    co_await send_status(exchange, facts_, 404);
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
  const auto held = worker_.snapshot.take();
  const http::RequestHead none;
  begin_request(none, **held);
  facts_.status = refusal.status;
  facts_.error = refusal.reason;
  facts_.rejected = "malformed";
  end_request(none);
}

}  // namespace

awaitable<void> serve_connection(Worker& worker, std::unique_ptr<net::Stream> stream,
                                 Arrival arrival) {
  Connection connection(worker, std::move(stream), std::move(arrival));
  co_await connection.run();
}

}  // namespace gatehouse::serve
