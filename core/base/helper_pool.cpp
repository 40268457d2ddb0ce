#include "core/base/helper_pool.hpp"

#include <pthread.h>

#include <thread>

#include "core/base/give_way.hpp"
#include "core/base/no_signals.hpp"

namespace gatehouse {
namespace {

void take_place(HelperPool::Urgency urgency) {
  if (urgency == HelperPool::Urgency::steps_back) step_back();
  if (urgency == HelperPool::Urgency::gives_way) give_way();
}

/// Threads take after who starts them: whoever happens to come first must not matter.
void start_pool(std::optional<asio::thread_pool>& pool, std::size_t threads,
                HelperPool::Urgency urgency, int times = 1) {
  if (threads == 0) {
    pool.emplace(threads);
    return;
  }
  std::thread([&] {
    ::pthread_setname_np(::pthread_self(), "helper");
    take_no_signals();
    for (int i = 0; i < times; ++i) take_place(urgency);
    pool.emplace(threads);
  }).join();
}

}  // namespace

asio::thread_pool& HelperPool::started() {
  std::call_once(once_, [this] { start(threads_); });
  return *pool_;
}

asio::thread_pool& HelperPool::turn() {
  std::call_once(turn_once_, [this] { start_pool(turn_, 1, urgency_, 2); });  // behind the helpers
  return *turn_;
}

void HelperPool::start(std::size_t threads) {
  start_pool(pool_, threads, urgency_);
  for (std::optional<Lane>& lane : lanes_) lane.emplace(pool_->get_executor());
}

void HelperPool::join() {
  // Started, so that a job that comes later is not run either.
  std::call_once(once_, [this] { start(0); });
  std::call_once(turn_once_, [this] { start_pool(turn_, 0, urgency_); });
  pool_->join();
  turn_->join();
}

}  // namespace gatehouse
