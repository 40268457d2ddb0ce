#include "core/http/h1_server.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

#include "core/base/bytes.hpp"
#include "core/http/header_rules.hpp"
#include "core/http/reason.hpp"

namespace gatehouse::http {
namespace {

using net::IoResult;
using net::IoState;
using net::Want;
using namespace std::chrono_literals;

// What is still read of a body that nobody wanted, or of a connection that is being closed:
// closing with bytes unread resets the connection and can destroy the answer on its way
// (RFC 9112 §9.6).
constexpr std::uint64_t most_discarded = 256 * 1024;
constexpr auto discard_time = 3s;
constexpr auto drain_grace = 1s;

Steady::duration as_duration(std::chrono::milliseconds time) {
  return std::chrono::duration_cast<Steady::duration>(time);
}

}  // namespace

H1ServerConnection::H1ServerConnection(net::Stream& stream, H1Worker worker,
                                       const H1ServerSettings& settings)
    : stream_(stream),
      worker_(worker),
      settings_(settings),
      reader_(stream, worker.buffers,
              Pace(worker.clock, as_duration(settings.read_idle), settings.min_rate),
              settings.head),
      writer_(stream, worker.buffers,
              Pace(worker.clock, as_duration(settings.write_idle), settings.min_rate)) {}

// --- between exchanges --------------------------------------------------------------------------

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
  auto until = worker_.clock.steady() + as_duration(patience);
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
  stream_.deadline(Want::read, worker_.clock.steady() + as_duration(settings_.request_header));
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
  reset_exchange();
  Refusal refusal = parse_request_head(reader_.take_head(), settings_.scheme, head_);
  if (refusal) co_return co_await turn_away(std::move(refusal));
  co_return begin_exchange();
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

// --- the exchange -------------------------------------------------------------------------------

awaitable<Result<BodyPiece>> H1ServerConnection::read_body() {
  if (reader_.length().kind == BodyLength::Kind::counted && head_.length.bytes > body_limit_) {
    co_return Error(Fault::limit, Side::client, "announced body over the limit");
  }
  if (continue_wanted_ && !head_sent_) {
    auto sent = co_await send_continue();
    if (!sent) co_return sent.error();
  }
  auto piece = co_await reader_.read_body();
  if (!piece) {
    keep_alive_ = false;
    co_return piece.error();
  }
  bytes_in_ += piece->bytes.size();
  if (bytes_in_ > body_limit_) {
    keep_alive_ = false;
    co_return Error(Fault::limit, Side::client, "body over the limit");
  }
  co_return *piece;
}

/// RFC 9110 §10.1.1. Needless once the body has begun to arrive.
awaitable<Result<void>> H1ServerConnection::send_continue() {
  continue_wanted_ = false;
  if (!reader_.unread().empty()) co_return Result<void>();
  std::string_view rest = "HTTP/1.1 100 Continue\r\n\r\n";
  while (!rest.empty()) {
    const IoResult put = stream_.try_write(rest);
    if (put.state == IoState::done) {
      rest.remove_prefix(put.bytes);
      continue;
    }
    if (put.state == IoState::failed || put.state == IoState::end) co_return stream_.error();
    stream_.deadline(Want::write, worker_.clock.steady() + as_duration(settings_.write_idle));
    auto ready = co_await stream_.wait(Want::write);
    if (!ready) co_return ready.error();
  }
  stream_.deadline(Want::write, Steady::max());
  co_return Result<void>();
}

bool H1ServerConnection::client_gone() {
  const int fd = stream_.descriptor();
  if (fd < 0) return false;
  pollfd asked{.fd = fd, .events = 0, .revents = 0};
  return ::poll(&asked, 1, 0) > 0 && (asked.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

void H1ServerConnection::write_status_line(int status, std::string_view reason) {
  OutputBuffer& out = writer_.out();
  out.append("HTTP/1.1 ");
  out.append_number(static_cast<std::uint64_t>(status), 10);
  out.append(" ");
  out.append(reason.empty() ? reason_phrase(status) : reason);
  out.append("\r\n");
}

bool H1ServerConnection::body_left_unread() const {
  if (reader_.finished()) return false;
  // The client that was never told to go on may send the body or leave it out: nobody knows where
  // the next request begins.
  return continue_wanted_ || (reader_.length().kind == BodyLength::Kind::counted &&
                              head_.length.bytes - bytes_in_ > most_discarded);
}

void H1ServerConnection::choose_framing(const ResponseHead& head) {
  using Framing = MessageWriter::Framing;
  const bool bodiless = head_.method == "HEAD" || head.status == 204 || head.status == 304;
  if (bodiless) {
    writer_.begin_body(Framing::none, 0);
  } else if (head.length.kind == BodyLength::Kind::counted ||
             head.length.kind == BodyLength::Kind::none) {
    writer_.begin_body(Framing::counted, head.length.bytes);
  } else if (head_.version == Version::http10) {
    writer_.begin_body(Framing::until_close, 0);
    keep_alive_ = false;
  } else {
    writer_.begin_body(Framing::chunked, 0);
  }
}

void H1ServerConnection::write_head(const ResponseHead& head) {
  write_status_line(head.status, head.reason);
  OutputBuffer& out = writer_.out();
  bool dated = false;
  for (const Field& line : head.fields) {
    if (is_written_by_us(line.name)) continue;
    dated = dated || equal_ignoring_case(line.name, "date");
    append_field(out, line.name, line.value);
  }
  if (!dated) append_field(out, "Date", worker_.date.now());
  const bool counted = head.length.kind == BodyLength::Kind::counted;
  const bool silent = head_.method == "HEAD" || head.status == 304;
  if (writer_.framing() == MessageWriter::Framing::chunked) {
    append_field(out, "Transfer-Encoding", "chunked");
  } else if (counted
                 ? head.status != 204
                 : head.length.kind == BodyLength::Kind::none && !silent && head.status != 204) {
    out.append("Content-Length: ");
    out.append_number(head.length.bytes, 10);
    out.append("\r\n");
  }
  if (!keep_alive_) {
    append_field(out, "Connection", "close");
  } else if (head_.version == Version::http10) {
    append_field(out, "Connection", "keep-alive");
  }
  out.append("\r\n");
}

awaitable<Result<void>> H1ServerConnection::send_informational(const ResponseHead& head) {
  if (head_sent_ || head_.version == Version::http10 || head.status == 101)
    co_return Result<void>();
  if (head.status == 100) continue_wanted_ = false;
  write_status_line(head.status, head.reason);
  for (const Field& line : head.fields) {
    if (!is_written_by_us(line.name)) append_field(writer_.out(), line.name, line.value);
  }
  writer_.out().append("\r\n");
  co_return co_await writer_.flush();
}

awaitable<Result<void>> H1ServerConnection::send_head(const ResponseHead& head) {
  if (head_sent_) co_return Error(Fault::bad_message, Side::self, "a second head");
  if (body_left_unread()) keep_alive_ = false;
  head_sent_ = true;
  choose_framing(head);
  write_head(head);
  const bool empty =
      writer_.framing() == MessageWriter::Framing::none ||
      (writer_.framing() == MessageWriter::Framing::counted && head.length.bytes == 0);
  if (empty) co_return co_await writer_.end(nullptr);
  co_return Result<void>();
}

awaitable<Result<void>> H1ServerConnection::send_body(std::string_view bytes, End end) {
  if (writer_.finished() || writer_.framing() == MessageWriter::Framing::none) {
    co_return Result<void>();
  }
  auto sent = co_await writer_.body(bytes, end);
  if (!sent) {
    failed_ = true;
    co_return sent;
  }
  bytes_out_ += bytes.size();
  co_return sent;
}

awaitable<Result<void>> H1ServerConnection::send_trailers(const Fields& trailers) {
  if (writer_.finished()) co_return Result<void>();
  const Fields* const accepted = head_.accepts_trailers ? &trailers : nullptr;
  auto sent = co_await writer_.end(accepted);
  failed_ = failed_ || !sent;
  co_return sent;
}

void H1ServerConnection::abort() {
  failed_ = true;
  keep_alive_ = false;
  // A body that ends with the connection would look complete after a plain FIN: reset instead.
  const int fd = stream_.descriptor();
  if (fd >= 0 && head_sent_ && !writer_.finished()) {
    const ::linger hard{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  stream_.close();
}

/// A tunnel may live for hours: its request is copied so that the block it stood in can go.
void H1ServerConnection::own_head() {
  Fields own;
  for (const Field& line : head_.fields) own.add_copy(line.name, line.value);
  for (std::string_view* part : {&head_.method, &head_.path, &head_.query, &head_.authority}) {
    *part = own.keep(*part);
  }
  head_.fields = std::move(own);
}

awaitable<Result<ServerExchange::Raw>> H1ServerConnection::upgrade(const ResponseHead& head) {
  Raw raw;
  if (!head_.websocket || head_sent_) co_return raw;
  head_sent_ = true;
  upgraded_ = true;
  write_status_line(101, {});
  for (const Field& line : head.fields) {
    const bool ours = is_written_by_us(line.name) || equal_ignoring_case(line.name, "upgrade");
    if (!ours) append_field(writer_.out(), line.name, line.value);
  }
  append_field(writer_.out(), "Upgrade", "websocket");
  append_field(writer_.out(), "Connection", "Upgrade");
  writer_.out().append("\r\n");
  auto sent = co_await writer_.flush();
  if (!sent) co_return sent.error();
  raw.early = reader_.take_unread();
  own_head();
  reader_.end_message();
  raw.stream = &stream_;
  co_return raw;
}

}  // namespace gatehouse::http
