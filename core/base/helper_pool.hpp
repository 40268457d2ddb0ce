#pragma once

#include <array>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <optional>

#include "core/base/asio.hpp"
#include "core/base/elsewhere.hpp"

namespace gatehouse {

/// A few threads for what blocks or burns: key generation, fsync, file reads, the system resolver.
/// Outlives everything that uses it; its destructor waits for work under way.
class HelperPool {
 public:
  enum class Urgency : std::uint8_t {
    normal,
    gives_way,  // to the threads that serve; see give_way()
  };
  explicit HelperPool(std::size_t threads, Urgency urgency = Urgency::normal);
  ~HelperPool() { join(); }

  /// Runs `job` (copyable or movable, captures by value) on a helper and resumes the caller where
  /// it was. A job is always run to its end: a caller that is cancelled meanwhile hears of it at
  /// its next `co_await`. Name the job before the call: a capturing lambda in a `co_await`
  /// statement is freed twice by g++ 12.
  template <class Job>
  awaitable<std::invoke_result_t<Job&>> run(Job job) {
    auto work = call(std::move(job));
    co_return co_await run_elsewhere(pool_->get_executor(), std::move(work));
  }

  /// The same for what burns long, after everything else in that lane (modulo their number): short
  /// work always finds a helper that no lane holds.
  template <class Job>
  awaitable<std::invoke_result_t<Job&>> run_in_lane(std::size_t lane, Job job) {
    auto work = call(std::move(job));
    co_return co_await run_elsewhere(*lanes_[lane % lanes_.size()], std::move(work));
  }

  /// Waits until all work is done and the threads have ended; nothing is run after that.
  void join() { pool_->join(); }

  asio::thread_pool::executor_type executor() { return pool_->get_executor(); }

 private:
  template <class Job>
  static awaitable<std::invoke_result_t<Job&>> call(Job job) {
    co_return job();
  }

  using Lane = asio::strand<asio::thread_pool::executor_type>;
  std::optional<asio::thread_pool> pool_;     // never empty
  std::array<std::optional<Lane>, 2> lanes_;  // nor these
};

}  // namespace gatehouse
