#include "core/base/helper_pool.hpp"

#include <pthread.h>

#include <thread>

#include "core/base/give_way.hpp"

namespace gatehouse {

asio::thread_pool& HelperPool::started() {
  std::call_once(once_, [this] { start(threads_); });
  return *pool_;
}

void HelperPool::start(std::size_t threads) {
  // Threads take after who starts them: whoever happens to come first must not matter.
  std::thread([&] {
    ::pthread_setname_np(::pthread_self(), "helper");
    if (urgency_ == Urgency::gives_way) give_way();
    pool_.emplace(threads);
  }).join();
  for (std::optional<Lane>& lane : lanes_) lane.emplace(pool_->get_executor());
  turn_.emplace(pool_->get_executor());
}

void HelperPool::join() {
  std::call_once(once_, [this] { start(0); });  // so that a job that comes later is not run either
  pool_->join();
}

}  // namespace gatehouse
