#include "core/base/helper_pool.hpp"

#include <pthread.h>

#include <thread>

#include "core/base/give_way.hpp"
#include "core/base/no_signals.hpp"

namespace gatehouse {
namespace {

enum class Standing : std::uint8_t { as_others, a_step_back, behind_servers, last };

Standing standing_of(HelperPool::Urgency urgency) {
  switch (urgency) {
    case HelperPool::Urgency::normal:
      return Standing::as_others;
    case HelperPool::Urgency::steps_back:
      return Standing::a_step_back;
    case HelperPool::Urgency::gives_way:
      return Standing::behind_servers;
  }
  return Standing::as_others;
}

/// Threads take after who starts them: whoever happens to come first must not matter.
void start_pool(std::optional<asio::thread_pool>& pool, std::size_t threads, Standing standing) {
  if (threads == 0) {
    pool.emplace(threads);
    return;
  }
  std::thread([&] {
    ::pthread_setname_np(::pthread_self(), "helper");
    take_no_signals();
    if (standing == Standing::a_step_back) step_back();
    if (standing >= Standing::behind_servers) give_way();
    if (standing >= Standing::last) give_way();
    pool.emplace(threads);
  }).join();
}

}  // namespace

asio::thread_pool& HelperPool::started() {
  std::call_once(once_, [this] { start(threads_); });
  return *pool_;
}

asio::thread_pool& HelperPool::turn() {
  const bool gives_way = urgency_ == Urgency::gives_way;
  std::call_once(turn_once_,
                 [&] { start_pool(turn_, 1, gives_way ? Standing::last : Standing::as_others); });
  return *turn_;
}

void HelperPool::start(std::size_t threads) {
  start_pool(pool_, threads, standing_of(urgency_));
  for (std::optional<Lane>& lane : lanes_) lane.emplace(pool_->get_executor());
}

void HelperPool::join() {
  // Started, so that a job that comes later is not run either.
  std::call_once(once_, [this] { start(0); });
  std::call_once(turn_once_, [this] { start_pool(turn_, 0, Standing::as_others); });
  pool_->join();
  turn_->join();
}

}  // namespace gatehouse
