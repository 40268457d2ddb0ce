#include "core/http/h1_server.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "core/http/reason.hpp"

namespace gatehouse::http {
namespace {

using net::IoResult;
using net::IoState;
using net::Want;
using namespace std::chrono_literals;

constexpr auto discard_time = 3s;
constexpr std::uint64_t most_in_a_row = 64;  // then others on the worker have their turn

}  // namespace

H1ServerConnection::H1ServerConnection(net::Stream& stream, H1Worker worker,
                                       const H1ServerSettings& settings, H1Rest rest)
    : stream_(stream),
      worker_(worker),
      settings_(settings),
      reader_(stream, worker.buffers, Pace(worker.clock, settings.read_idle, settings.min_rate),
              settings.head),
      writer_(stream, worker.buffers, Pace(worker.clock, settings.write_idle, settings.min_rate)),
      requests_(rest.requests),
      idle_until_(rest.until) {}

awaitable<Result<ServerExchange*>> H1ServerConnection::next() {
  if (state_ == State::over) co_return nullptr;
  if (is_over_cleanly()) {
    reader_.end_message();
  } else if (state_ == State::answering) {
    const bool goes_on = co_await end_exchange();
    if (!goes_on) {
      state_ = State::over;
      co_return nullptr;
    }
  }
  state_ = State::idle;
  head_.fields.clear();
  const bool at_hand = !reader_.unread().empty() || stream_.pending();
  if (at_hand && ++at_hand_ % most_in_a_row == 0) co_await asio::post(asio::use_awaitable);
  if (reader_.unread().empty()) {
    expect_request();
    while (!stream_.pending()) {
      auto ready = co_await stream_.wait(Want::read);
      if (!ready && may_rest(ready.error())) {
        stream_.deadline(Want::read, idle_until_);
        state_ = State::resting;
        co_return nullptr;
      }
      if (!ready) co_return ended_between(std::move(ready).error());
      const IoResult got = reader_.try_fill();
      if (got.state == IoState::done) break;
      if (got.state == IoState::end) co_return ended_between(Error());
      if (got.state == IoState::failed) co_return ended_between(stream_.error());
      reader_.end_message();  // woken for nothing: hold no buffer
    }
  }
  state_ = State::reading_head;
  idle_until_ = Steady::max();
  head_.method = {};
  if (reader_.scan_head(head_.fields) != HeadScanner::State::complete) {
    const Result<bool> there = co_await await_head();
    if (!there) co_return there.error();
    if (!*there) co_return nullptr;
  }
  stream_.deadline(Want::read, Steady::max());
  if (requests_ == 0 && begins_as_h2()) co_return nullptr;
  reset_exchange();
  Refusal refusal = parse_request_head(reader_.take_head(), settings_.scheme, head_);
  if (refusal) {
    const Error told = co_await turn_away(std::move(refusal));
    co_return told;
  }
  co_return begin_exchange();
}

/// The exchange before was answered, and nothing of it is left to be read or sent.
bool H1ServerConnection::is_over_cleanly() const {
  return state_ == State::answering && keep_alive_ && !upgraded_ && !failed_ &&
         writer_.finished() && reader_.finished();
}

/// Readiness first: a read that can only say "not yet" costs a system call and a buffer.
void H1ServerConnection::expect_request() {
  const Steady now = worker_.clock.steady();
  if (idle_until_ == Steady::max()) {
    const auto patience = requests_ == 0 ? settings_.request_header : settings_.idle;
    idle_until_ = now + (draining_ ? drain_grace : patience);
  }
  const bool may_rest = settings_.rest_after > 0ms && !draining_;
  stream_.deadline(Want::read,
                   may_rest ? std::min(idle_until_, now + settings_.rest_after) : idle_until_);
}

/// It was not the end of its time that ended the wait. A connection that is to end has other things
/// to do with a deadline.
bool H1ServerConnection::may_rest(const Error& why) const {
  return why.fault() == Fault::timeout && settings_.rest_after > 0ms && !draining_ &&
         worker_.clock.steady() < idle_until_;
}

/// The connection is over without another request, properly unless `why` says otherwise.
Result<ServerExchange*> H1ServerConnection::ended_between(const Error& why) {
  state_ = State::over;
  stream_.shutdown_write();
  stream_.close();
  const bool proper =
      why.fault() == Fault::none || why.fault() == Fault::closed || why.fault() == Fault::timeout;
  if (proper) return nullptr;
  return why;
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

/// False: the connection is over, properly.
awaitable<Result<bool>> H1ServerConnection::await_head() {
  stream_.deadline(Want::read, worker_.clock.steady() + settings_.request_header);
  for (;;) {
    const HeadScanner::State seen = reader_.scan_head(head_.fields);
    if (seen == HeadScanner::State::complete) co_return true;
    if (seen == HeadScanner::State::refused) {
      Refusal refusal = reader_.scanner().refusal();
      const Error told = co_await turn_away(std::move(refusal));
      co_return told;
    }
    auto came = co_await more_bytes();
    if (came && *came == Came::bytes) continue;
    const bool silent = reader_.scanner().empty();
    if (came && *came == Came::overdue && !silent) {
      Refusal late;
      late.status = 408;
      late.reason = "head_too_slow";
      const Error told = co_await turn_away(std::move(late));
      co_return told;
    }
    state_ = State::over;
    stream_.close();
    if (!came) co_return came.error();
    if (silent) co_return false;
    co_return Error(Fault::closed, Side::client, "closed inside a request head");
  }
}

bool H1ServerConnection::begins_as_h2() {
  if (!settings_.may_be_h2 || !reader_.unread().starts_with("PRI * HTTP/2.0\r\n\r\n")) return false;
  preface_ = reader_.take_unread();
  reader_.end_message();
  state_ = State::over;
  return true;
}

void H1ServerConnection::reset_exchange() {
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
    auto piece = co_await reader_.read_body().whole();
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

awaitable<Error> H1ServerConnection::turn_away(Refusal refusal) {
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
  out.append_field("Date", worker_.date.now());
  if (refusal_.status == 405)
    out.append_field("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  out.append_field("Content-Type", "text/plain; charset=utf-8");
  out.append_field("Cache-Control", "no-store");
  out.append_field("Content-Length", std::to_string(body.size()));
  out.append_field("Connection", "close");
  out.append("\r\n");
  if (!head_only) out.append(body);
  auto sent = co_await writer_.flush().whole();
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
    idle_until_ = worker_.clock.steady() + drain_grace;
    stream_.deadline(Want::read, idle_until_);
  }
}

}  // namespace gatehouse::http
