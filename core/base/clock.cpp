#include "core/base/clock.hpp"

namespace gatehouse {

awaitable<void> Clock::sleep_until(Steady when) {
  co_await wait_until(when);
  co_await throw_if_cancelled();
}

awaitable<void> SystemClock::wait_until(Steady when) {
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, when);
  co_await timer.async_wait(as_result);
}

}  // namespace gatehouse
