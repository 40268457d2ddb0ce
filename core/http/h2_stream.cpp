#include "core/http/h2_stream.hpp"

#include <algorithm>
#include <utility>

#include "core/http/h2_connection.hpp"

namespace gatehouse::http {

using net::IoResult;
using net::IoState;
using net::Want;

namespace {

// What a tunnel may have written ahead of the peer.
constexpr std::size_t most_tunnel_ahead = 16 * 1024;
// Up to here the window of a stream grows whose reader keeps up.
constexpr std::size_t most_window = 1024 * 1024;

}  // namespace

awaitable<bool> H2Waiter::wait() {
  if (!woken_) {
    auto executor = co_await asio::this_coro::executor;
    woken_.emplace(std::move(executor), Steady::max());
  }
  co_await woken_->async_wait(as_result);
  const auto state = co_await asio::this_coro::cancellation_state;
  co_return state.cancelled() == asio::cancellation_type::none;
}

void H2Waiter::deadline(Steady when) {
  overdue_ = false;
  entry_.set(when);
}

void H2Waiter::expired(void* self) noexcept {
  auto& waiter = *static_cast<H2Waiter*>(self);
  waiter.overdue_ = true;
  waiter.notify();
}

bool H2Rate::too_slow() {
  if (least_ == 0 || waited_ < window_) return false;
  const double seconds = std::chrono::duration<double>(waited_).count();
  const bool slow = static_cast<double>(bytes_) < least_ * seconds;
  waited_ = Steady::duration(0);
  bytes_ = 0;
  return slow;
}

H2Stream::H2Stream(H2Connection& connection, Side peer, const H2Pace& pace)
    : connection_(&connection),
      clock_(&connection.worker().clock),
      peer_(peer),
      read_idle_(pace.read_idle),
      write_idle_(pace.write_idle),
      in_rate_(pace.min_rate, pace.read_idle),
      out_rate_(pace.min_rate, pace.write_idle),
      readable_(connection.worker().wheel),
      writable_(connection.worker().wheel),
      arriving_(connection.worker().buffers),
      window_(connection.stream_window()) {
  next_ = connection.first_;
  back_ = &connection.first_;
  if (next_ != nullptr) next_->back_ = &next_;
  connection.first_ = this;
}

void H2Stream::leave() {
  *back_ = next_;
  if (next_ != nullptr) next_->back_ = back_;
  connection_ = nullptr;
}

H2Stream::~H2Stream() {
  if (connection_ == nullptr) return;
  if (id_ != 0 && !failed()) {
    const bool whole_answer = out_done_ && !in_ended_;
    if (whole_answer && peer_ == Side::client) {
      reset(H2Code::no_error);  // RFC 9113 §8.1: the answer stands, the rest of the request may go
    } else if (!out_done_ || !in_ended_) {
      reset(loss_);
    }
  }
  connection_->forget(*this, unread() + credit_, window_ - connection_->stream_window());
  leave();
}

// --- told by the connection ---------------------------------------------------------------------

bool H2Stream::arrived(std::string_view bytes) {
  if (in_left_) {
    if (bytes.size() > *in_left_) return false;
    *in_left_ -= bytes.size();
  }
  arriving_.append(bytes);
  readable_.notify();
  return true;
}

bool H2Stream::ended() {
  if (in_left_.value_or(0) > 0) return false;
  in_ended_ = true;
  readable_.notify();
  return true;
}

void H2Stream::closed(Error why) {
  if (!complete() && !failed()) failure_ = std::move(why);
  readable_.notify();
  writable_.notify();
}

void H2Stream::detached(Error why) {
  closed(std::move(why));
  leave();
}

H2Portion H2Stream::portion(std::size_t most) {
  H2Portion portion;
  const std::string_view from = tunnel_out_.empty() ? outgoing_ : std::string_view(tunnel_out_);
  portion.bytes = std::min(most, from.size());
  portion.end = out_end_ && portion.bytes == from.size();
  if (!portion.end) return portion;
  portion.trailers = out_trailers_;
  if (portion.bytes == 0) {
    out_done_ = true;  // may go without a frame of its own: trailers end the stream
    writable_.notify();
  }
  return portion;
}

std::string_view H2Stream::take(std::size_t bytes) {
  if (!tunnel_out_.empty()) {
    taken_out_.assign(tunnel_out_, 0, bytes);
    tunnel_out_.erase(0, bytes);
    if (tunnel_out_.empty()) {
      out_done_ = out_end_;
      writable_.notify();
    }
    return taken_out_;
  }
  const std::string_view out = outgoing_.substr(0, bytes);
  outgoing_.remove_prefix(out.size());
  if (outgoing_.empty()) {
    out_done_ = out_end_;
    writable_.notify();
  } else if (write_idle_.count() > 0) {
    const Steady now = connection_->worker().clock.steady();
    out_rate_.moved(out.size());
    out_rate_.waited(now - std::exchange(waiting_since_, now));
    writable_.deadline(out_rate_.too_slow() ? now : now + write_idle_);
  }
  return out;
}

void H2Stream::reset(H2Code code) {
  if (connection_ == nullptr || id_ == 0 || failed()) return;
  if (complete()) return;
  connection_->reset(id_, code);
  failure_ = Error(Fault::closed, peer_, "stream given up");
  readable_.notify();
  writable_.notify();
}

Error H2Stream::cancelled() const { return Error(Fault::closed, Side::self, "cancelled"); }

// --- reading ------------------------------------------------------------------------------------

void H2Stream::give_credit() {
  if (credit_ > 0 && connection_ != nullptr) {
    connection_->consumed(id_, credit_);
    since_widened_ += credit_;
    if (since_widened_ >= window_ && arriving_.empty() && !in_ended_) widen();
  }
  credit_ = 0;
  arriving_.let_go();
}

/// A window's worth was read as fast as it came: what holds the peer up may be the way to us.
void H2Stream::widen() {
  since_widened_ = 0;
  if (window_ >= most_window || failed()) return;
  window_ += connection_->widen(id_, window_, std::min(window_, most_window - window_));
}

void H2Stream::begin_wait(H2Waiter& waiter, Steady::duration idle) {
  if (idle.count() > 0 && connection_ != nullptr) {
    waiter.deadline(connection_->worker().clock.steady() + idle);
  }
}

Started<BodyPiece> H2Stream::read() {
  give_credit();
  if (arriving_.empty() && !in_ended_) return await_body();
  return take_piece();
}

awaitable<Result<BodyPiece>> H2Stream::await_body() {
  while (arriving_.empty() && !in_ended_) {
    if (failed()) co_return *failure_;
    begin_wait(readable_, read_idle_);
    const Steady since = clock_->steady();
    const bool goes_on = co_await readable_.wait();
    if (!goes_on) co_return cancelled();
    if (readable_.overdue()) co_return Error(Fault::timeout, peer_, "no body in time");
    in_rate_.waited(clock_->steady() - since);
    in_rate_.moved(arriving_.size());
    if (!in_ended_ && in_rate_.too_slow()) {
      co_return Error(Fault::timeout, peer_, "body slower than min_rate");
    }
  }
  co_return take_piece();
}

Result<BodyPiece> H2Stream::take_piece() {
  if (read_idle_.count() > 0) readable_.deadline(Steady::max());
  if (failed() && !in_ended_) return *failure_;
  BodyPiece piece;
  piece.bytes = arriving_.take();
  credit_ = piece.bytes.size();
  piece.last = read_finished();
  if (piece.last && !trailers_.empty()) piece.trailers = &trailers_;
  return piece;
}

// --- sending ------------------------------------------------------------------------------------

Started<void> H2Stream::send(std::string_view bytes, End end, const Fields* trailers) {
  if (failed()) return *failure_;
  if (out_done_) return Result<void>();
  outgoing_ = bytes;
  out_end_ = end == End::last;
  out_trailers_ = trailers;
  Loan loan(*this);
  if (pending()) connection_->offer(*this);
  if (pending() && !failed()) return await_room(std::move(loan));
  if (pending()) return *failure_;
  return Result<void>();
}

void H2Stream::withdraw() {
  if (pending()) reset(loss_);
  outgoing_ = {};
  out_trailers_ = nullptr;
  if (write_idle_.count() > 0) writable_.deadline(Steady::max());
}

awaitable<Result<void>> H2Stream::await_room(Loan) {
  begin_wait(writable_, write_idle_);
  waiting_since_ = clock_->steady();
  while (pending() && !failed()) {
    const bool goes_on = co_await writable_.wait();
    if (!goes_on) co_return cancelled();
    if (writable_.overdue() && pending()) {
      co_return Error(Fault::timeout, peer_, "took nothing in time");
    }
  }
  if (pending()) co_return *failure_;
  co_return Result<void>();
}

void H2Stream::flush() {
  if (connection_ != nullptr) connection_->wake_writer();
}

// --- as a tunnel --------------------------------------------------------------------------------

IoResult H2Stream::try_read(std::span<char> into) {
  if (tunnel_left_.empty()) {
    give_credit();
    tunnel_left_ = arriving_.take();
  }
  if (!tunnel_left_.empty()) {
    const std::size_t bytes = tunnel_left_.copy(into.data(), into.size());
    tunnel_left_.remove_prefix(bytes);
    if (connection_ != nullptr) connection_->consumed(id_, bytes);
    return {IoState::done, bytes};
  }
  if (in_ended_) return {IoState::end, 0};
  return {failed() ? IoState::failed : IoState::want_read, 0};
}

IoResult H2Stream::try_write(std::string_view from) {
  if (failed()) return {IoState::failed, 0};
  if (out_end_) return {IoState::end, 0};
  if (!tunnel_out_.empty()) return {IoState::want_write, 0};
  const std::string_view taken = from.substr(0, most_tunnel_ahead);
  tunnel_out_ = taken;
  connection_->offer(*this);
  return {IoState::done, taken.size()};
}

awaitable<Result<void>> H2Stream::wait(Want want) {
  H2Waiter& waiter = want == Want::read ? readable_ : writable_;
  for (;;) {
    const bool ready = want == Want::read ? unread() > 0 || in_ended_ : tunnel_out_.empty();
    if (ready || failed()) co_return Result<void>();
    if (waiter.overdue()) co_return Error(Fault::timeout, peer_, "deadline passed");
    const bool goes_on = co_await waiter.wait();
    if (!goes_on) co_return cancelled();
  }
}

void H2Stream::deadline(Want want, Steady when) {
  (want == Want::read ? readable_ : writable_).deadline(when);
}

void H2Stream::end_sending() {
  if (failed() || out_end_) return;
  out_end_ = true;
  connection_->offer(*this);
}

IoResult H2Tunnel::checked(IoResult result) {
  if (result.state == IoState::failed) fail(stream_.failure());
  return result;
}
IoResult H2Tunnel::try_read(std::span<char> into) { return checked(stream_.try_read(into)); }
IoResult H2Tunnel::try_write(std::string_view from) { return checked(stream_.try_write(from)); }
awaitable<Result<void>> H2Tunnel::wait(Want want) { return stream_.wait(want); }

}  // namespace gatehouse::http
