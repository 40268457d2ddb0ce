#include "core/base/race.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

namespace gatehouse {

using namespace asio::experimental::awaitable_operators;

awaitable<std::size_t> race(awaitable<void> one, awaitable<void> other) {
  const auto first = co_await (std::move(one) || std::move(other));
  co_return first.index();
}

awaitable<void> both(awaitable<void> one, awaitable<void> other) {
  co_await (std::move(one) && std::move(other));
}

}  // namespace gatehouse
