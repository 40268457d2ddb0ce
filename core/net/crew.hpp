#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <list>
#include <memory>

#include "core/base/asio.hpp"

namespace gatehouse::net {

/// The tasks alive on one thread. Every spawned coroutine has a crew: it counts them, logs what
/// they throw, and can stop them all. Use it on its executor's thread only; it must outlive its
/// tasks (await `gone()` before it dies).
class Crew {
 public:
  explicit Crew(asio::any_io_executor executor);

  void add(awaitable<void> task);
  /// Cancels every task (terminal).
  void stop();
  /// Returns when no task is left.
  awaitable<void> gone();
  std::size_t size() const { return stops_.size(); }
  const asio::any_io_executor& executor() const { return executor_; }

 private:
  struct Stop {
    asio::cancellation_signal signal;
    bool over = false;  // its task has ended
  };

  asio::any_io_executor executor_;
  std::list<std::shared_ptr<Stop>, Recycling<std::shared_ptr<Stop>>> stops_;
  asio::steady_timer gone_;  // set at Steady::max(), used as a condition
};

}  // namespace gatehouse::net
