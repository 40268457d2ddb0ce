#include "core/base/clock.hpp"

namespace gatehouse {

awaitable<void> SystemClock::sleep_until(Steady when) {
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, when);
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace gatehouse
