#include "core/http/h1_server.hpp"

#include <algorithm>

#include "core/http/reason.hpp"

namespace gatehouse::http {
namespace {

using net::IoResult;
using net::IoState;
using net::Want;
using namespace std::chrono_literals;

constexpr auto discard_time = 3s;
constexpr auto drain_grace = 1s;

}  // namespace

H1ServerConnection::H1ServerConnection(net::Stream& stream, H1Worker worker,
                                       const H1ServerSettings& settings)
    : stream_(stream),
      worker_(worker),
      settings_(settings),
      reader_(stream, worker.buffers, Pace(worker.clock, settings.read_idle, settings.min_rate),
              settings.head),
      writer_(stream, worker.buffers, Pace(worker.clock, settings.write_idle, settings.min_rate)) {}

awaitable<Result<ServerExchange*>> H1ServerConnection::next() {
  if (state_ == State::over) co_return nullptr;
  if (state_ == State::answering) {
    const bool goes_on = co_await end_exchange();
    if (!goes_on) {
      state_ = State::over;
      co_return nullptr;
    }
  }
  auto came = co_await first_bytes();
  if (!came || *came != Came::bytes) {
    state_ = State::over;
    stream_.shutdown_write();
    stream_.close();
    if (!came && came.error().fault() != Fault::closed) co_return came.error();
    co_return nullptr;
  }
  auto exchange = co_await read_head();
  stream_.deadline(Want::read, Steady::max());
  co_return exchange;
}

/// Waits for a request to begin. Readiness first: a read that can only say "not yet" costs a system
/// call and a buffer.
awaitable<Result<H1ServerConnection::Came>> H1ServerConnection::first_bytes() {
  state_ = State::idle;
  if (!reader_.unread().empty()) co_return Came::bytes;
  const auto patience = requests_ == 0 ? settings_.request_header : settings_.idle;
  auto until = worker_.clock.steady() + patience;
  if (draining_) until = worker_.clock.steady() + drain_grace;
  stream_.deadline(Want::read, until);
  while (!stream_.pending()) {
    auto ready = co_await stream_.wait(Want::read);
    if (!ready && ready.error().fault() == Fault::timeout) co_return Came::overdue;
    if (!ready) co_return ready.error();
    const IoResult got = reader_.try_fill();
    if (got.state == IoState::done) co_return Came::bytes;
    if (got.state == IoState::end) co_return Came::end;
    if (got.state == IoState::failed) co_return stream_.error();
    reader_.end_message();  // woken for nothing: hold no buffer
  }
  co_return Came::bytes;
}

/// Reads on within a head; the deadline is set.
awaitable<Result<H1ServerConnection::Came>> H1ServerConnection::more_bytes() {
  for (;;) {
    const IoResult got = reader_.try_fill();
    if (got.state == IoState::done) co_return Came::bytes;
    if (got.state == IoState::end) co_return Came::end;
    if (got.state == IoState::failed) co_return stream_.error();
    const Want want = got.state == IoState::want_read ? Want::read : Want::write;
    auto ready = co_await stream_.wait(want);
    if (!ready && ready.error().fault() == Fault::timeout) co_return Came::overdue;
    if (!ready) co_return ready.error();
  }
}

awaitable<Result<ServerExchange*>> H1ServerConnection::read_head() {
  state_ = State::reading_head;
  head_.method = {};
  stream_.deadline(Want::read, worker_.clock.steady() + settings_.request_header);
  for (;;) {
    const HeadScanner::State seen = reader_.scan_head();
    if (seen == HeadScanner::State::complete) break;
    if (seen == HeadScanner::State::refused) {
      Refusal refusal = reader_.scanner().refusal();
      co_return co_await turn_away(std::move(refusal));
    }
    auto came = co_await more_bytes();
    if (came && *came == Came::bytes) continue;
    const bool silent = reader_.scanner().empty();
    if (came && *came == Came::overdue && !silent) {
      Refusal late;
      late.status = 408;
      late.reason = "head_too_slow";
      co_return co_await turn_away(std::move(late));
    }
    state_ = State::over;
    stream_.close();
    if (!came) co_return came.error();
    if (silent) co_return nullptr;
    co_return Error(Fault::closed, Side::client, "closed inside a request head");
  }
  if (requests_ == 0 && begins_as_h2()) co_return nullptr;
  reset_exchange();
  Refusal refusal = parse_request_head(reader_.take_head(), settings_.scheme, head_);
  if (refusal) co_return co_await turn_away(std::move(refusal));
  co_return begin_exchange();
}

bool H1ServerConnection::begins_as_h2() {
  if (!settings_.may_be_h2 || !reader_.unread().starts_with("PRI * HTTP/2.0\r\n\r\n")) return false;
  preface_ = reader_.take_unread();
  reader_.end_message();
  state_ = State::over;
  return true;
}

void H1ServerConnection::reset_exchange() {
  head_.fields.clear();
  head_sent_ = false;
  bytes_in_ = 0;
  bytes_out_ = 0;
  failed_ = false;
  body_limit_ =
      settings_.body_bytes == 0 ? std::numeric_limits<std::uint64_t>::max() : settings_.body_bytes;
}

Result<ServerExchange*> H1ServerConnection::begin_exchange() {
  ++requests_;
  keep_alive_ = persists(head_.version, head_.fields) && !draining_ && !stream_.worn() &&
                (settings_.requests == 0 || requests_ < settings_.requests);
  continue_wanted_ = head_.expects_continue;
  reader_.begin_body(head_.length);
  writer_.begin_body(MessageWriter::Framing::none, 0);
  state_ = State::answering;
  return static_cast<ServerExchange*>(this);
}

/// True: the connection carries another request.
awaitable<bool> H1ServerConnection::end_exchange() {
  if (upgraded_) co_return false;
  if (failed_ || !writer_.finished()) {
    abort();
    co_return false;
  }
  bool clean = keep_alive_;
  if (clean && !reader_.finished()) clean = co_await drain_body();
  if (!clean) {
    co_await linger();
    co_return false;
  }
  reader_.end_message();
  co_return true;
}

/// Reads the rest of a body nobody wanted; cheaper for both sides than a new connection.
awaitable<bool> H1ServerConnection::drain_body() {
  const Steady until = worker_.clock.steady() + discard_time;
  std::uint64_t discarded = 0;
  reader_.finish_by(until);
  while (!reader_.finished() && discarded < most_discarded && worker_.clock.steady() < until) {
    auto piece = co_await reader_.read_body();
    if (!piece) co_return false;
    discarded += piece->bytes.size();
  }
  co_return reader_.finished();
}

/// RFC 9112 §9.6: our side is ended first, then the client's bytes are read away until it ends too.
awaitable<void> H1ServerConnection::linger() {
  state_ = State::over;
  reader_.end_message();
  stream_.shutdown_write();
  stream_.deadline(Want::read, worker_.clock.steady() + discard_time);
  std::uint64_t discarded = reader_.take_unread().size();
  while (discarded < most_discarded) {
    const IoResult got = reader_.try_fill();
    if (got.state == IoState::done) {
      discarded += reader_.take_unread().size();
      continue;
    }
    if (got.state == IoState::end || got.state == IoState::failed) break;
    auto ready = co_await stream_.wait(Want::read);
    if (!ready) break;
  }
  reader_.end_message();
  stream_.close();
}

awaitable<Result<ServerExchange*>> H1ServerConnection::turn_away(Refusal refusal) {
  refusal_ = std::move(refusal);
  keep_alive_ = false;
  const bool timeout = refusal_.status == 408;
  Error error(timeout ? Fault::timeout : Fault::bad_message, Side::client,
              std::string(refusal_.reason) + " " + refusal_.detail);
  const bool head_only = reader_.unread().starts_with("HEAD ") || head_.method == "HEAD";
  const std::string body =
      std::to_string(refusal_.status) + " " + std::string(reason_phrase(refusal_.status)) + "\n";
  write_status_line(refusal_.status, {});
  OutputBuffer& out = writer_.out();
  append_field(out, "Date", worker_.date.now());
  if (refusal_.status == 405)
    append_field(out, "Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  append_field(out, "Content-Type", "text/plain; charset=utf-8");
  append_field(out, "Cache-Control", "no-store");
  append_field(out, "Content-Length", std::to_string(body.size()));
  append_field(out, "Connection", "close");
  out.append("\r\n");
  if (!head_only) out.append(body);
  auto sent = co_await writer_.flush();
  if (sent) {
    co_await linger();
  } else {
    state_ = State::over;
    stream_.close();
  }
  co_return error;
}

void H1ServerConnection::drain() {
  draining_ = true;
  keep_alive_ = false;
  if (state_ == State::idle) {
    stream_.deadline(Want::read, worker_.clock.steady() + drain_grace);
  }
}

}  // namespace gatehouse::http
