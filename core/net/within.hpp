#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/base/race.hpp"

namespace gatehouse::net {

/// Races `work` against the clock; the loser is cancelled and has unwound when this returns.
/// `work` must fail by Result: an exception on one side of `||` waits for the other side to end.
/// For steps (resolve, dial, handshake, one exchange with a CA); the byte path has deadlines.
template <class T>
awaitable<Result<T>> within(Clock& clock, Steady deadline, Side side, awaitable<Result<T>> work) {
  std::optional<Result<T>> done;
  auto working = keep(std::move(work), done);
  auto waiting = clock.wait_until(deadline);
  const auto first = co_await race(std::move(working), std::move(waiting));
  // Work that was called off may end with a result, too.
  if (first == 0) co_return std::move(*done);
  co_await throw_if_cancelled();  // nobody was late then
  co_return Error(Fault::timeout, side, "no answer in time");
}

}  // namespace gatehouse::net
