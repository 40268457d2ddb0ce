#pragma once

#include <array>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <mutex>
#include <optional>

#include "core/base/asio.hpp"
#include "core/base/elsewhere.hpp"

namespace gatehouse {

/// A few threads for what blocks or burns: key generation, fsync, file reads, the system resolver.
/// They are started for the first job. Outlives everything that uses it; its destructor waits for
/// work under way.
class HelperPool {
 public:
  enum class Urgency : std::uint8_t {
    normal,
    steps_back,  // behind the threads that serve, where one of them starts it; see step_back()
    gives_way,   // to the threads that serve; see give_way()
  };
  explicit HelperPool(std::size_t threads, Urgency urgency = Urgency::normal)
      : threads_(threads), urgency_(urgency) {}
  HelperPool(const HelperPool&) = delete;
  HelperPool& operator=(const HelperPool&) = delete;
  ~HelperPool() { join(); }

  /// Runs `job` (copyable or movable, captures by value) on a helper and resumes the caller where
  /// it was. A job is always run to its end: a caller that is cancelled meanwhile hears of it at
  /// its next `co_await`. Name the job before the call: a capturing lambda in a `co_await`
  /// statement is freed twice by g++ 12.
  template <class Job>
  awaitable<std::invoke_result_t<Job&>> run(Job job) {
    auto work = call(std::move(job));
    co_return co_await run_elsewhere(executor(), std::move(work));
  }

  /// The same for what burns long, after everything else in that lane (modulo their number): short
  /// work always finds a helper that no lane holds.
  template <class Job>
  awaitable<std::invoke_result_t<Job&>> run_in_lane(std::size_t lane, Job job) {
    auto work = call(std::move(job));
    co_return co_await run_elsewhere(this->lane(lane), std::move(work));
  }

  /// The same for what burns a millisecond and may come a thousand times at once: one after the
  /// other, on a thread of its own that gives way to the helpers, too. Where CPUs are short a
  /// thread that serves shares its own with one of them, not with all.
  template <class Job>
  awaitable<std::invoke_result_t<Job&>> run_in_turn(Job job) {
    auto work = call(std::move(job));
    co_return co_await run_elsewhere(turn_executor(), std::move(work));
  }

  /// Waits until all work is done and the threads have ended; nothing is run after that.
  void join();

  asio::thread_pool::executor_type executor() { return started().get_executor(); }
  /// Of the thread for work in turn.
  asio::thread_pool::executor_type turn_executor() { return turn().get_executor(); }

 private:
  template <class Job>
  static awaitable<std::invoke_result_t<Job&>> call(Job job) {
    co_return job();
  }

  using Lane = asio::strand<asio::thread_pool::executor_type>;
  asio::thread_pool& started();
  Lane lane(std::size_t number) {
    started();
    return *lanes_[number % lanes_.size()];
  }
  asio::thread_pool& turn();
  void start(std::size_t threads);

  const std::size_t threads_;
  const Urgency urgency_;
  std::once_flag once_;  // for what is below
  std::optional<asio::thread_pool> pool_;
  std::array<std::optional<Lane>, 2> lanes_;
  std::once_flag turn_once_;  // for what is below
  std::optional<asio::thread_pool> turn_;
};

}  // namespace gatehouse
