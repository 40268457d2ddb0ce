#pragma once

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "core/base/clock.hpp"
#include "core/base/error.hpp"

namespace gatehouse::net {

/// Races `work` against the clock; the loser is cancelled and has unwound when this returns.
/// `work` must fail by Result: an exception on one side of `||` waits for the other side to end.
/// For steps (resolve, dial, handshake, one exchange with a CA); the byte path has deadlines.
template <class T>
awaitable<Result<T>> within(Clock& clock, Steady deadline, Side side, awaitable<Result<T>> work) {
  using namespace asio::experimental::awaitable_operators;
  auto first = co_await (std::move(work) || clock.sleep_until(deadline));
  if (first.index() == 0) co_return std::get<0>(std::move(first));
  co_return Error(Fault::timeout, side, "no answer in time");
}

}  // namespace gatehouse::net
