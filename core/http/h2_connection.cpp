#include "core/http/h2_connection.hpp"

#include "core/base/race.hpp"
#include "core/http/h2_stream.hpp"

namespace gatehouse::http {
namespace {

using namespace std::chrono_literals;
using net::IoResult;
using net::IoState;
using net::Want;

// Control frames that may wait for a peer that does not read; no more is read from it meanwhile.
constexpr std::size_t most_waiting_control = 500;
constexpr std::uint64_t most_discarded = 256 * 1024;
constexpr auto linger_time = 2s;
// A connection on which nothing happens for so long lets its memory go.
constexpr auto rest_after = 5s;
// What came of bodies goes on before more is read: while the CPU has it at hand, and so that who
// sends without end does not hold up all others.
constexpr std::size_t least_turn = 16 * 1024;
// How long a peer may take to answer the PING that tells us it has seen the first GOAWAY.
constexpr auto notice_time = 1s;

Steady::duration as_duration(std::chrono::milliseconds time) {
  return std::chrono::duration_cast<Steady::duration>(time);
}

}  // namespace

H2Connection::H2Connection(net::Stream& stream, H2Worker worker, H2Session::Role role,
                           const H2SessionSettings& settings, HeadLimits limits,
                           const H2Patience& patience)
    : stream_(stream),
      side_(stream.side()),
      worker_(std::move(worker)),
      patience_(patience),
      stream_window_(settings.stream_window),
      session_(role, *this, settings),
      block_(limits),
      out_{OutputBuffer(worker_.buffers), OutputBuffer(worker_.buffers)},
      writer_(worker_.executor, Steady::max()),
      drained_(worker_.executor, Steady::max()),
      drain_deadline_(worker_.wheel, this, &H2Connection::drain_overdue),
      began_(worker_.clock.steady()),
      idle_since_(began_) {}

H2Connection::~H2Connection() { let_go(); }

void H2Connection::let_go() {
  while (first_ != nullptr) first_->detached(Error(Fault::closed, side_, "connection is gone"));
  streams_.clear();
}

awaitable<void> H2Connection::run(std::string early, AtRest at_rest) {
  at_rest_ = at_rest;
  do {
    rests_ = false;
    auto reading = read_loop(std::move(early));
    auto writing = write_loop();
    co_await both(std::move(reading), std::move(writing));
    early = std::string();
  } while (rests_ && !session_.resting());  // something was to be sent when the loops were leaving
  if (rests_) co_return;
  if (goodbye_due_) co_await linger();
  phase_ = Phase::over;
  stream_.close();
}

/// No stream goes on from here; what is due is still written.
void H2Connection::leave_open(Phase next, Error why) {
  if (phase_ != Phase::open) return;
  phase_ = next;
  failure_ = std::move(why);
  for (H2Stream* stream = first_; stream != nullptr; stream = stream->next()) {
    stream->closed(Error(Fault::closed, peer(), "connection ended"));
  }
  left_open();
  wake_writer();
  drained_.cancel();
}

void H2Connection::end(H2Code code) {
  if (phase_ != Phase::open) return;
  filling().append(session_.goaway_frame(code));
  goodbye_due_ = true;
  leave_open(Phase::ending, Error());
  stream_.deadline(Want::read, worker_.clock.steady());  // the reader has nothing to wait for
}

// --- reading ------------------------------------------------------------------------------------

awaitable<void> H2Connection::read_loop(std::string early) {
  if (!early.empty()) receive(early);
  early = std::string();
  while (phase_ == Phase::open) {
    if (session_.waiting_control() > most_waiting_control) {
      co_await drained_.async_wait(as_result);
      const auto state = co_await asio::this_coro::cancellation_state;
      if (state.cancelled() != asio::cancellation_type::none) co_return;
      continue;
    }
    net::BufferPool::Block block = worker_.buffers.take();
    const IoResult got = stream_.try_read(block.bytes());
    if (got.state == IoState::done) {
      receive({block.bytes().data(), got.bytes});
      block.release();
      if (came_ < least_turn) continue;
      came_ = 0;
      co_await asio::post(asio::use_awaitable);
      continue;
    }
    block.release();
    if (got.state == IoState::end) co_return leave_open(Phase::ending, Error());
    if (got.state == IoState::failed) co_return leave_open(Phase::ending, stream_.error());
    set_read_deadline();
    const Want want = got.state == IoState::want_read ? Want::read : Want::write;
    auto ready = co_await stream_.wait(want);
    if (phase_ != Phase::open) co_return;
    if (ready) continue;
    if (ready.error().fault() != Fault::timeout) {
      co_return leave_open(Phase::ending, ready.error());
    }
    overdue();
    if (rests_) co_return;
  }
}

void H2Connection::receive(std::string_view bytes) {
  switch (session_.receive(bytes)) {
    case H2Session::Received::all:
      break;
    case H2Session::Received::stopped:
      end(H2Code::enhance_your_calm);
      break;
    case H2Session::Received::not_http2:
      end(H2Code::protocol_error);
      failure_ = Error(Fault::bad_message, peer(), "not HTTP/2");
      break;
    case H2Session::Received::flooded:
      abuse_ = H2Abuse::control_flood;
      end(H2Code::enhance_your_calm);
      break;
    case H2Session::Received::endless_block:
      abuse_ = H2Abuse::continuation_flood;
      end(H2Code::enhance_your_calm);
      break;
    case H2Session::Received::failed:
      end(H2Code::internal_error);
      failure_ = Error(Fault::io, Side::self, "HTTP/2 session failed");
      break;
  }
  if (phase_ == Phase::open) received();
  if (stream_.worn()) drain();
  wake_writer();
}

void H2Connection::set_read_deadline() {
  Steady until = Steady::max();
  const Steady now = worker_.clock.steady();
  const bool to_be_woken = rests_ && !session_.resting();  // it has something to say
  if (phase_ != Phase::open || to_be_woken) {
    until = now;
  } else if (block_began_ != Steady::max()) {
    until = block_began_ + as_duration(patience_.header);
  } else if (streams_.empty()) {
    if (patience_.idle.count() > 0) until = idle_since_ + as_duration(patience_.idle);
    if (!session_.resting()) until = std::min(until, now + rest_after);
  }
  if (!settings_acknowledged_) {
    until = std::min(until, began_ + as_duration(std::max(patience_.settings, patience_.header)));
  }
  stream_.deadline(Want::read, until);
}

void H2Connection::idle_at_most(std::chrono::milliseconds span) {
  patience_.idle = span;
  idle_since_ = worker_.clock.steady();
  if (phase_ == Phase::open) set_read_deadline();
}

void H2Connection::overdue() {
  const Steady now = worker_.clock.steady();
  if (block_began_ != Steady::max() && block_began_ + as_duration(patience_.header) <= now) {
    end(H2Code::enhance_your_calm);
    failure_ = Error(Fault::timeout, peer(), "head_too_slow");
  } else if (!settings_acknowledged_ && began_ + as_duration(patience_.settings) <= now) {
    end(H2Code::settings_timeout);
    failure_ = Error(Fault::timeout, peer(), "settings not acknowledged");
  } else if (streams_.empty()) {
    const bool over =
        patience_.idle.count() > 0 && idle_since_ + as_duration(patience_.idle) <= now;
    over ? end(H2Code::no_error) : rest();
  }
}

void H2Connection::rest() {
  if (!settings_acknowledged_ || drain_ != Drain::no) return;
  if (first_ != nullptr || !out_[0].empty() || !out_[1].empty() || stream_.pending()) return;
  lines_ = H2Lines();
  scratch_ = Fields();
  session_.rest();
  if (!session_.resting() || at_rest_ == AtRest::wait) return;
  rests_ = true;
  set_read_deadline();
  writer_.cancel();
}

/// Our side is ended; what the peer still sends is read away so that it gets to read our last
/// words.
awaitable<void> H2Connection::linger() {
  stream_.shutdown_write();
  stream_.deadline(Want::read, worker_.clock.steady() + linger_time);
  for (std::uint64_t discarded = 0; discarded < most_discarded;) {
    net::BufferPool::Block block = worker_.buffers.take();
    const IoResult got = stream_.try_read(block.bytes());
    block.release();
    if (got.state == IoState::done) {
      discarded += got.bytes;
      continue;
    }
    if (got.state != IoState::want_read) co_return;
    auto ready = co_await stream_.wait(Want::read);
    if (!ready) co_return;
  }
}

// --- writing ------------------------------------------------------------------------------------

/// At rest there is none: who keeps the stream then calls run() again.
void H2Connection::wake_writer() {
  writer_.cancel();
  if (rests_) set_read_deadline();
}

void H2Connection::pull() {
  if (phase_ != Phase::open) return;
  if (!session_.pull(filling())) {
    end(H2Code::internal_error);
  } else if (abuse_ != H2Abuse::none) {
    end(H2Code::enhance_your_calm);
  }
}

void H2Connection::offer(const H2Stream& stream) {
  session_.resume(stream.id());
  pull();
  wake_writer();
}

awaitable<void> H2Connection::write_loop() {
  while (!rests_) {
    pull();
    OutputBuffer& out = filling();
    if (out.empty()) {
      const bool more = session_.want_read() || session_.want_write();
      if (phase_ == Phase::open && more) {
        co_await writer_.async_wait(as_result);
        const auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none) co_return;
        continue;
      }
      // The session has said its last word: after an error of the peer, or a drain.
      goodbye_due_ = goodbye_due_ || phase_ == Phase::open;
      leave_open(Phase::ending, Error());
      stream_.deadline(Want::read, worker_.clock.steady());
      co_return;
    }
    filling_ ^= 1U;
    stream_.deadline(Want::write, worker_.clock.steady() + as_duration(patience_.write_idle));
    auto written = co_await stream_.write(out.view());
    out.clear();
    stream_.deadline(Want::write, Steady::max());
    if (!written) {
      leave_open(Phase::ending, written.error());
      goodbye_due_ = false;
      stream_.close();
      co_return;
    }
    drained_.cancel();
  }
}

/// The peer learns which of its streams were taken up: only those are in doubt, all others it may
/// ask for anew elsewhere (RFC 9113 §6.8).
void H2Connection::take_leave() {
  const bool writing = !out_[filling_ ^ 1U].empty();  // a frame may have gone out by half
  if (phase_ != Phase::open || writing) return;
  filling().append(session_.goaway_frame(H2Code::no_error));
  stream_.try_write(filling().view());
  filling().clear();
}

// --- streams ------------------------------------------------------------------------------------

void H2Connection::enter(H2Stream& stream, std::int32_t id) {
  stream.open(id);
  streams_.emplace(id, &stream);
}

H2Stream* H2Connection::find(std::int32_t id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second;
}

void H2Connection::consumed(std::int32_t stream, std::size_t bytes) {
  session_.consume(stream, bytes);
  if (session_.want_write()) wake_writer();
}

std::size_t H2Connection::widen(std::int32_t stream, std::size_t window, std::size_t more) {
  const std::size_t given = std::min(more, spare_window_);
  if (given == 0) return 0;
  spare_window_ -= given;
  session_.widen(stream, window + given);
  if (session_.want_write()) wake_writer();
  return given;
}

void H2Connection::reset(std::int32_t stream, H2Code code) {
  session_.reset(stream, code);
  wake_writer();
}

void H2Connection::forget(const H2Stream& stream, std::size_t unread, std::size_t widened) {
  spare_window_ += widened;
  const auto found = streams_.find(stream.id());
  if (found == streams_.end() || found->second != &stream) return;
  streams_.erase(found);
  if (block_stream_ == stream.id()) begin_block(0, nullptr);  // it may not have ended yet
  consumed(stream.id(), unread);
  if (streams_.empty()) {
    idle_since_ = worker_.clock.steady();
    if (phase_ == Phase::open) set_read_deadline();
  }
  wake_writer();
}

// --- draining -----------------------------------------------------------------------------------

void H2Connection::drain() {
  if (phase_ != Phase::open || drain_ != Drain::no) return;
  drain_ = Drain::noticed;
  session_.notice_shutdown();
  session_.ping();
  drain_deadline_.set(worker_.clock.steady() + notice_time);
  wake_writer();
}

void H2Connection::drain_overdue(void* self) noexcept {
  static_cast<H2Connection*>(self)->finish_drain();
}

void H2Connection::finish_drain() {
  if (drain_ != Drain::noticed || phase_ != Phase::open) return;
  drain_ = Drain::announced;
  drain_deadline_.set(Steady::max());
  session_.finish_shutdown();
  wake_writer();
}

void H2Connection::ping_answered() { finish_drain(); }

}  // namespace gatehouse::http
