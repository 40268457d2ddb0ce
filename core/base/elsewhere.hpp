#pragma once

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <utility>

#include "core/base/asio.hpp"

namespace gatehouse {

/// Runs `work` on another thread's executor and resumes the caller where it was. The work is always
/// run to its end, so what it refers to in the caller's frame stays there: a caller that is
/// cancelled meanwhile hears of it at its next `co_await`.
///
/// Never `co_spawn` across threads by hand: Boost 1.81 forwards a cancellation to the other thread
/// by a pointer into an operation that may be gone when it gets there. Here it gets an empty slot.
template <class Executor, class T>
awaitable<T> run_elsewhere(Executor executor, awaitable<T> work) {
  auto uncancelled = asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable);
  co_return co_await asio::co_spawn(executor, std::move(work), uncancelled);
}

}  // namespace gatehouse
