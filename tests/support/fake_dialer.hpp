#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "core/net/dialer.hpp"
#include "tests/support/scripted_stream.hpp"

namespace gatehouse::test {

/// Hands out scripted connections in the order they were laid down, or refuses.
class FakeDialer final : public net::Dialer {
 public:
  explicit FakeDialer(Clock& clock) : clock_(clock) {}

  /// The next dial leads to this script.
  std::shared_ptr<Script> lead() {
    next_.push_back(std::make_shared<Script>());
    return next_.back();
  }
  /// The next dial is refused.
  void refuse() { next_.push_back(nullptr); }
  /// The dial after those laid down gets no answer.
  void hang() { hanging_ = true; }
  /// Targets dialled so far.
  const std::vector<std::string>& dialled() const { return dialled_; }

  awaitable<Result<std::unique_ptr<net::Stream>>> dial(net::Target target, Steady,
                                                       net::DeadlineWheel&, Side side) override {
    dialled_.push_back(target.text());
    if (next_.empty() && hanging_) {
      auto executor = co_await asio::this_coro::executor;
      asio::steady_timer parked(executor, Steady::max());
      for (;;) co_await parked.async_wait(as_result);  // until cancelled
    }
    if (next_.empty() || next_.front() == nullptr) {
      if (!next_.empty()) next_.pop_front();
      co_return Error(Fault::refused, side, "dial " + target.text() + ": refused");
    }
    const std::shared_ptr<Script> script = next_.front();
    next_.pop_front();
    co_return std::make_unique<ScriptedStream>(script, clock_, side);
  }

 private:
  Clock& clock_;
  std::deque<std::shared_ptr<Script>> next_;
  std::vector<std::string> dialled_;
  bool hanging_ = false;
};

}  // namespace gatehouse::test
