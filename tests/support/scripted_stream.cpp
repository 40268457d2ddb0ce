#include "tests/support/scripted_stream.hpp"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>

namespace gatehouse::test {

using net::IoResult;
using net::IoState;
using net::Want;

void Script::send(std::string_view piece) {
  if (!piece.empty()) pieces_.emplace_back(piece);
  wake(Want::read);
}

void Script::end() {
  if (tail_ == Tail::open) tail_ = Tail::ended;
  wake(Want::read);
}

void Script::cut() {
  tail_ = Tail::cut;
  write_cut_ = written_.size();
  wake(Want::read);
  wake(Want::write);
}

void Script::cut_reads_after(std::size_t bytes) {
  read_cut_ = bytes;
  wake(Want::read);
}

void Script::cut_writes_after(std::size_t bytes) {
  write_cut_ = bytes;
  wake(Want::write);
}

void Script::at_most(std::size_t bytes_per_read, std::size_t bytes_per_write) {
  per_read_ = bytes_per_read;
  per_write_ = bytes_per_write;
}

void Script::take(std::size_t bytes) {
  window_ = bytes;
  wake(Want::write);
}

std::string Script::take_written() {
  std::string out = written_.substr(taken_);
  taken_ = written_.size();
  return out;
}

std::size_t Script::unread() const {
  std::size_t bytes = 0;
  for (const std::string& piece : pieces_) bytes += piece.size();
  return bytes;
}

void Script::wake(Want want) {
  if (asio::steady_timer* parked = parked_[index(want)]) parked->cancel();
}

void join(const std::shared_ptr<Script>& a, const std::shared_ptr<Script>& b) {
  const auto connect = [](const std::shared_ptr<Script>& from, const std::weak_ptr<Script>& to) {
    from->on_write([to](std::string_view piece) {
      if (const auto peer = to.lock()) peer->send(piece);
    });
    from->on_end_ = [to] {
      if (const auto peer = to.lock()) peer->end();
    };
  };
  connect(a, b);
  connect(b, a);
}

ScriptedStream::ScriptedStream(std::shared_ptr<Script> script, Clock& clock, Side side)
    : Stream(side), script_(std::move(script)), clock_(clock) {}

ScriptedStream::~ScriptedStream() { close(); }

IoResult ScriptedStream::broken(std::string_view doing) {
  fail(Fault::closed, std::string(doing) + ": connection reset");
  return {IoState::failed, 0};
}

IoResult ScriptedStream::try_read(std::span<char> into) {
  Script& script = *script_;
  if (script.closed_ || script.read_bytes_ >= script.read_cut_) return broken("read");
  if (script.pieces_.empty()) {
    if (script.tail_ == Script::Tail::ended) return {IoState::end, 0};
    if (script.tail_ == Script::Tail::cut) return broken("read");
    return {IoState::want_read, 0};
  }
  std::string& piece = script.pieces_.front();
  const std::size_t bytes = std::min(
      {piece.size(), into.size(), script.per_read_, script.read_cut_ - script.read_bytes_});
  std::copy_n(piece.begin(), bytes, into.begin());
  script.read_bytes_ += bytes;
  piece.erase(0, bytes);
  if (piece.empty()) script.pieces_.pop_front();
  return {IoState::done, bytes};
}

IoResult ScriptedStream::try_write(std::string_view from) {
  Script& script = *script_;
  if (script.closed_ || script.write_ended_ || script.written_.size() >= script.write_cut_) {
    return broken("write");
  }
  if (script.window_ == 0) return {IoState::want_write, 0};
  const std::size_t bytes = std::min(
      {from.size(), script.window_, script.per_write_, script.write_cut_ - script.written_.size()});
  const std::string_view piece = from.substr(0, bytes);
  if (script.window_ != Script::no_limit) script.window_ -= bytes;
  script.written_.append(piece);
  script.writes_.emplace_back(piece);
  if (script.hear_) script.hear_(piece);
  return {IoState::done, bytes};
}

bool ScriptedStream::may_move(Want want) const {
  const Script& script = *script_;
  if (want == Want::read) {
    return !script.pieces_.empty() || script.tail_ != Script::Tail::open ||
           script.read_bytes_ >= script.read_cut_;
  }
  return script.window_ > 0 || script.written_.size() >= script.write_cut_ || script.write_ended_;
}

void ScriptedStream::rest(std::unique_ptr<net::Sleeper> sleeper) {
  asio::co_spawn(executor_, keep(std::move(sleeper)), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
}

awaitable<void> ScriptedStream::keep(std::unique_ptr<net::Sleeper> sleeper) {
  using Woken = net::Sleeper::Woken;
  const auto ready = co_await wait(Want::read);
  auto why = Woken::ready;
  if (!ready) why = ready.error().fault() == Fault::timeout ? Woken::overdue : Woken::closed;
  net::Sleeper& woken = *sleeper;
  woken.wake(std::move(sleeper), why);
}

awaitable<Result<void>> ScriptedStream::wait(Want want) {
  using namespace asio::experimental::awaitable_operators;
  auto executor = co_await asio::this_coro::executor;
  executor_ = executor;
  asio::steady_timer parked(executor, Steady::max());
  // The script may be asked who waits after this stream is gone: leave it in any case.
  struct Parked {
    Parked(Script& s, std::size_t at, asio::steady_timer& timer) : script(s), index(at) {
      script.parked_[index] = &timer;
    }
    ~Parked() { script.parked_[index] = nullptr; }
    Script& script;
    std::size_t index;
  };
  const auto script = script_;
  const std::size_t at = Script::index(want);
  const Parked place(*script, at, parked);
  for (;;) {
    if (script->closed_) co_return Error(Fault::closed, side(), "closed here");
    if (deadlines_[at] <= clock_.steady()) {
      co_return Error(Fault::timeout, side(), "deadline passed");
    }
    if (may_move(want)) co_return Result<void>();
    if (deadlines_[at] == Steady::max()) {
      co_await parked.async_wait(as_result);
    } else {
      co_await (parked.async_wait(as_result) || clock_.sleep_until(deadlines_[at]));
    }
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
      co_return Error(Fault::closed, side(), "cancelled");
    }
  }
}

void ScriptedStream::deadline(Want want, Steady when) {
  deadlines_[Script::index(want)] = when;
  script_->wake(want);
}

void ScriptedStream::shutdown_write() {
  if (script_->write_ended_ || script_->closed_) return;
  script_->write_ended_ = true;
  if (script_->on_end_) script_->on_end_();
}

void ScriptedStream::close() noexcept {
  if (script_->closed_) return;
  script_->closed_ = true;
  script_->wake(Want::read);
  script_->wake(Want::write);
  if (script_->on_end_ && !script_->write_ended_) script_->on_end_();
  script_->hear_ = nullptr;
  script_->on_end_ = nullptr;
}

bool ScriptedStream::silent() { return !script_->closed_ && !may_move(Want::read); }

}  // namespace gatehouse::test
