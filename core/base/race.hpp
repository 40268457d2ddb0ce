#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include "core/base/asio.hpp"

namespace gatehouse {

// Asio's operators on awaitables make a good part of a program's code and of its compile time anew
// for each pair of types. These are compiled once; what the sides give goes by keep().

/// Runs both until one has ended; the other is cancelled and has unwound when this returns. Which
/// it was: 0 or 1; the other one may have given something as well. They must fail by value: an
/// exception on one side waits for the other to end.
awaitable<std::size_t> race(awaitable<void> one, awaitable<void> other);
/// Runs both to their ends.
awaitable<void> both(awaitable<void> one, awaitable<void> other);

/// `work`, for one side of these. `into` outlives it.
template <class T>
awaitable<void> keep(awaitable<T> work, std::optional<T>& into) {
  auto got = co_await std::move(work);
  into.emplace(std::move(got));
}
/// `work`, where nobody asks what it gives.
template <class T>
awaitable<void> drop(awaitable<T> work) {
  co_await std::move(work);
}

}  // namespace gatehouse
