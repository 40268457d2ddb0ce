// What comes before a connection's first request: the PROXY header and the TLS handshake.

#include <sys/socket.h>

#include "core/base/log.hpp"
#include "core/net/proxy_header.hpp"
#include "proxy/serve/certificate_wait.hpp"
#include "proxy/serve/detail/connection.hpp"
#include "proxy/serve/introduction.hpp"
#include "proxy/serve/listening.hpp"

namespace gatehouse::serve::detail {
namespace {

using namespace std::chrono_literals;
using net::Want;
using Step = tls::ServerHandshake::Step;

constexpr auto proxy_header_patience = 5s;
constexpr auto farewell_patience = 2s;
constexpr auto list_warning_interval = 1min;
constexpr std::size_t most_ignored = 64 * 1024;  // of what a client goes on sending

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
    if (seen < 0 && (errno == EAGAIN || errno == EINTR)) {
      static_cast<void>(stream.silent());  // what is looked at in passing, the stream cannot know
      continue;
    }
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

/// What a handshake that cannot get its certificate ends with.
Alert alert_for(const Error& error) {
  const bool unknown = error.fault() == Fault::denied || error.fault() == Fault::not_found;
  return unknown ? Alert::unrecognized_name : Alert::internal_error;
}

}  // namespace

/// Everything before the first request. The snapshot it goes by is let go with it: a connection
/// that waits for requests keeps none alive.
awaitable<bool> Connection::begin() {
  const auto held = door_->snapshot(worker_);
  const Endpoint* endpoint = held ? held->endpoint(door_->address) : nullptr;
  if (endpoint == nullptr) co_return false;
  settings_ = endpoint->h1;
  const bool introduced = co_await introduce(*held);
  if (!introduced || !endpoint->tls) co_return introduced;
  const Steady deadline = worker_.clock.steady() + held->server().timeouts.handshake;
  if (endpoint->passes_through) {
    const bool ours = co_await claim(*held, *endpoint, deadline);
    if (!ours) co_return false;
  }
  const bool shaken = co_await shake_hands(deadline);
  co_return shaken;
}

/// True: go on, with the addresses the PROXY header told where one is due.
awaitable<bool> Connection::introduce(const Snapshot& snapshot) {
  if (!snapshot.server().proxy_protocol || !snapshot.trusts(facts_.peer)) co_return true;
  stream_->deadline(Want::read, worker_.clock.steady() + proxy_header_patience);
  auto header = co_await read_proxy_header(*stream_);
  if (!header) {
    worker_.counters.reject("proxy_header");
    log::debug("PROXY header refused",
               {{"peer", facts_.peer.to_string()}, {"why", header.error().detail()}});
    co_return false;
  }
  stream_->deadline(Want::read, Steady::max());
  if (header->local) co_return true;
  facts_.peer = header->source;
  facts_.peer_port = header->source_port;
  facts_.listener_port = header->destination_port;
  facts_.told_local = header->destination;
  co_return true;
}

awaitable<bool> Connection::shake_hands(Steady deadline) {
  stream_->deadline(Want::read, deadline);
  stream_->deadline(Want::write, deadline);
  net::Stream& under = *stream_;
  SiteJudge judge(worker_, *door_, [&] { return local_address(facts_); });
  auto handshake = tls::ServerHandshake::make(std::move(stream_), judge);
  const bool done = co_await hand_shaken(*handshake, judge, under, deadline);
  if (!done) {
    ++worker_.counters.handshakes_failed;
    co_await say_why_not(*handshake, under);
    place_.stream(nullptr);  // dies with the handshake
    co_return false;
  }
  served_ = judge.served();
  stream_ = handshake->finish();
  place_.stream(stream_.get());
  const tls::SessionFacts& session = *tls::facts_of(*stream_);
  facts_.tls = &session;
  ++worker_.counters.handshakes;
  worker_.counters.handshakes_resumed += session.resumed ? 1 : 0;
  stream_->deadline(Want::read, Steady::max());
  stream_->deadline(Want::write, Steady::max());
  if (!session.challenge) co_return true;
  ++worker_.counters.challenges;  // RFC 8737 §3: nothing follows the handshake
  stream_->shutdown_write();
  co_return false;
}

/// What a client is to hear that will not have its handshake, beside an alert.
awaitable<void> Connection::say_why_not(const tls::ServerHandshake& handshake, net::Stream& under) {
  using Turned = tls::ServerHandshake::Turned;
  const Steady now = worker_.clock.steady();
  if (handshake.plain_http()) {
    co_await say_farewell(under, now + farewell_patience, plain_on_tls);
    co_return;
  }
  const Turned turned = handshake.turned_away();
  if (turned == Turned::no) co_return;
  if (turned == Turned::away_by_old_list && now >= worker_.next_list_warning) {
    worker_.next_list_warning = now + list_warning_interval;
    log::error("client refused: the list of revoked certificates is out of date",
               {{"peer", facts_.peer.to_string()}, {"name", handshake.facts().sni}});
  }
  // In TLS 1.3 it may have sent its request: closing on that would take the alert back.
  co_await say_farewell(under, now + farewell_patience, std::string_view());
}

/// Runs the handshake to its end. What it waits for a certificate does not count.
awaitable<bool> Connection::hand_shaken(tls::ServerHandshake& handshake, SiteJudge& judge,
                                        net::Stream& under, Steady deadline) {
  constexpr int most_suspensions = 2;
  for (int suspended = 0; suspended <= most_suspensions;) {
    auto step = co_await handshake.run();
    if (!step) {
      log::debug("handshake failed",
                 {{"peer", facts_.peer.to_string()}, {"why", step.error().detail()}});
      co_return false;
    }
    if (*step == Step::done) co_return true;
    if (judge.postponed()) {
      co_await worker_.handshake_turns.next();
      // Its client has given up, or will: what it waits for is better spent on the others.
      if (worker_.clock.steady() >= deadline) co_return false;
      judge.turn_came();
      continue;
    }
    ++suspended;
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

}  // namespace gatehouse::serve::detail
