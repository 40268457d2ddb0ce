#pragma once

#include <optional>
#include <utility>

#include "core/base/asio.hpp"
#include "core/base/error.hpp"

namespace gatehouse {

/// Work that has begun when the call returns, and mostly has ended as well: on the road of a
/// request most octets are there, or have room, when they are asked for. Then it costs no coroutine
/// frame. Else what is left of it is to be awaited, once:
///
///     auto sent = exchange.start_head(head);
///     if (!sent.done()) co_await sent.finish();
///     if (!*sent) co_return sent->error();
///
/// Where even finish() costs a frame too much: `auto rest = co_await sent.rest(); sent = rest;`
template <class T>
class [[nodiscard]] Started {
 public:
  Started(Result<T> result) : result_(std::move(result)) {}
  Started(Error error) : result_(std::move(error)) {}
  Started(awaitable<Result<T>> rest) : rest_(std::move(rest)) {}

  bool done() const { return result_.has_value(); }
  /// Requires: not done. This outlives the call.
  awaitable<void> finish() {
    auto result = co_await std::move(rest_);
    result_ = std::move(result);
  }
  awaitable<Result<T>> rest() { return std::move(rest_); }
  Started& operator=(Result<T> result) {
    result_ = std::move(result);
    return *this;
  }
  /// Requires: done.
  Result<T>& operator*() { return *result_; }
  Result<T>* operator->() { return &*result_; }

  /// All of it, for whoever need not mind the frame.
  awaitable<Result<T>> whole() && {
    if (!done()) return std::move(rest_);
    return ready(std::move(*result_));
  }

 private:
  static awaitable<Result<T>> ready(Result<T> result) { co_return result; }

  std::optional<Result<T>> result_;
  awaitable<Result<T>> rest_;
};

}  // namespace gatehouse
