#include "core/base/helper_pool.hpp"

#include <thread>

#include "core/base/give_way.hpp"

namespace gatehouse {

HelperPool::HelperPool(std::size_t threads, Urgency urgency) {
  if (urgency == Urgency::normal) {
    pool_.emplace(threads);
  } else {
    // Threads are as urgent as who starts them.
    std::thread([&] {
      give_way();
      pool_.emplace(threads);
    }).join();
  }
  for (std::optional<Lane>& lane : lanes_) lane.emplace(pool_->get_executor());
}

}  // namespace gatehouse
