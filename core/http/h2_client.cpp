#include "core/http/h2_client.hpp"

#include <algorithm>

#include "core/http/h2_client_exchange.hpp"

namespace gatehouse::http {
namespace {

H2SessionSettings session_settings(const H2ClientSettings& settings) {
  H2SessionSettings out;
  out.max_streams = settings.streams;
  out.stream_window = settings.stream_window;
  out.header_list_bytes = static_cast<std::uint32_t>(settings.head.header_bytes);
  return out;
}

H2Patience patience_of(const H2ClientSettings& settings) {
  H2Patience out;
  out.idle = settings.idle;
  out.write_idle = settings.write_idle;
  return out;
}

}  // namespace

H2ClientConnection::H2ClientConnection(std::unique_ptr<net::Stream> stream, H2Worker worker,
                                       const H2ClientSettings& settings)
    : H2Connection(*stream, std::move(worker), H2Session::Role::client, session_settings(settings),
                   settings.head, patience_of(settings)),
      owned_(std::move(stream)),
      settings_(settings),
      liveness_(this->worker().wheel, this, &H2ClientConnection::ping_due),
      greeting_(this->worker().wheel) {}

H2ClientConnection::~H2ClientConnection() { let_go(); }

std::unique_ptr<ClientExchange> H2ClientConnection::begin() {
  if (!has_room()) return nullptr;
  return std::make_unique<H2ClientExchange>(*this);
}

bool H2ClientConnection::open() const { return !retired_ && takes_requests(); }

bool H2ClientConnection::takes_requests() const {
  return phase() == Phase::open && !goodbye_ && !draining();
}

void H2ClientConnection::retire() {
  retired_ = true;
  if (begun_ == 0) end(H2Code::no_error);
}

void H2ClientConnection::ended_exchange() {
  if (--begun_ == 0 && retired_) end(H2Code::no_error);
}

void H2ClientConnection::settings_came() {
  greeted_ = true;
  greeting_.notify();
}

awaitable<Result<void>> H2ClientConnection::greeting(Steady deadline) {
  greeting_.deadline(deadline);
  while (!greeted_) {
    if (phase() != Phase::open) {
      if (failure().fault() != Fault::none) co_return failure();
      co_return Error(Fault::closed, peer(), "closed before it said hello in HTTP/2");
    }
    if (greeting_.overdue()) co_return Error(Fault::timeout, peer(), "no HTTP/2 hello in time");
    const bool goes_on = co_await greeting_.wait();
    if (!goes_on) co_return Error(Fault::closed, Side::self, "cancelled");
  }
  greeting_.deadline(Steady::max());
  co_return Result<void>();
}

std::size_t H2ClientConnection::most_streams() const {
  // Before its SETTINGS a server is taken to allow what RFC 9113 §6.5.2 recommends as the least.
  const std::size_t allowed = greeted_ ? session().peer_max_streams() : 100;
  return std::min<std::size_t>(allowed, settings_.streams);
}

bool H2ClientConnection::takes_websockets() const { return session().peer_extended_connect(); }

void H2ClientConnection::block_began(std::int32_t id, bool) {
  auto* const exchange = static_cast<H2ClientExchange*>(find(id));
  if (exchange == nullptr) return begin_block(id, nullptr);
  Fields* const head = exchange->begin_head();
  begin_block(id, head != nullptr ? head : &exchange->trailers());
}

void H2ClientConnection::block_ended(std::int32_t id, bool end_stream) {
  auto* const exchange = static_cast<H2ClientExchange*>(find(id));
  if (exchange == nullptr || exchange->failed()) return;
  if (exchange->collecting_) return exchange->head_ended(end_stream ? End::last : End::more);
  judge_trailers(*exchange, end_stream);
}

void H2ClientConnection::goaway_came(std::int32_t, H2Code) { goodbye_ = true; }

// --- liveness -----------------------------------------------------------------------------------

void H2ClientConnection::received() { watch_liveness(); }

/// While somebody waits for the server, its silence is looked into: a peer that is gone without a
/// word would else be found by deadlines only.
void H2ClientConnection::watch_liveness() {
  if (settings_.ping_every.count() == 0 || ping_sent_) return;
  liveness_.set(streams_open() == 0 ? Steady::max()
                                    : worker().clock.steady() + settings_.ping_every);
}

void H2ClientConnection::ping_due(void* self) noexcept {
  auto& connection = *static_cast<H2ClientConnection*>(self);
  if (connection.ping_sent_) {
    connection.end(H2Code::no_error);
    return;
  }
  if (connection.streams_open() == 0) return;
  connection.ping_sent_ = true;
  connection.session().ping();
  connection.wake_writer();
  connection.liveness_.set(connection.worker().clock.steady() + connection.settings_.ping_answer);
}

void H2ClientConnection::ping_answered() {
  ping_sent_ = false;
  watch_liveness();
  H2Connection::ping_answered();
}

}  // namespace gatehouse::http
