#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/prefer.hpp>
#include <exception>
#include <utility>

#include "core/base/asio.hpp"
#include "core/base/letterbox.hpp"

namespace gatehouse {

/// What run_elsewhere() begins: there and, with what came of it, back again.
template <class Executor, class T>
struct Errand {
  Executor there;
  asio::any_io_executor here;
  awaitable<T>* work;

  template <class Handler>
  void operator()(Handler handler) {
    // The caller's loop has work left while it waits.
    auto home =
        asio::any_io_executor(asio::prefer(here, asio::execution::outstanding_work.tracked));
    hand_over(there, [to = there, home = std::move(home), handler = std::move(handler),
                      task = std::move(*work)]() mutable {
      asio::co_spawn(
          to, std::move(task),
          [home = std::move(home), handler = std::move(handler)](std::exception_ptr failed,
                                                                 auto... value) mutable {
            // Goes home with the rest: nothing of that context is left behind here.
            const asio::any_io_executor to_home =
                asio::prefer(home, asio::execution::outstanding_work.untracked);
            hand_over(to_home, [home = std::move(home), handler = std::move(handler),
                                failed = std::move(failed), ... kept = std::move(value)]() mutable {
              std::move(handler)(std::move(failed), std::move(kept)...);
            });
          });
    });
  }
};

template <class T>
struct ErrandSignature {
  using type = void(std::exception_ptr, T);
};
template <>
struct ErrandSignature<void> {
  using type = void(std::exception_ptr);
};

/// Runs `work` on another thread's executor and resumes the caller where it was. The work is always
/// run to its end, so what it refers to in the caller's frame stays there: a caller that is
/// cancelled meanwhile hears of it at its next `co_await`.
///
/// Never `co_spawn` across threads by hand: Boost 1.81 forwards a cancellation to the other thread
/// by a pointer into an operation that may be gone when it gets there, and wakes it while holding
/// its lock (Letterbox).
template <class Executor, class T>
awaitable<T> run_elsewhere(Executor executor, awaitable<T> work) {
  const asio::any_io_executor here = co_await asio::this_coro::executor;
  Errand<Executor, T> errand{executor, here, &work};
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>,
                                          typename ErrandSignature<T>::type>(std::move(errand),
                                                                             asio::use_awaitable);
}

}  // namespace gatehouse
