#include "core/base/clock.hpp"

namespace gatehouse {

awaitable<void> Clock::sleep_until(Steady when) {
  co_await wait_until(when);
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != asio::cancellation_type::none)
    throw boost::system::system_error(asio::error::operation_aborted);
}

awaitable<void> SystemClock::wait_until(Steady when) {
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, when);
  co_await timer.async_wait(as_result);
}

}  // namespace gatehouse
