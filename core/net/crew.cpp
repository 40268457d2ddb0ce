#include "core/net/crew.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/system/system_error.hpp>
#include <exception>

#include "core/base/clock.hpp"
#include "core/base/log.hpp"

namespace gatehouse::net {
namespace {

void log_failure(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const boost::system::system_error& e) {
    if (e.code() == asio::error::operation_aborted) return;  // cancelled, as asked
    log::error("task failed", {{"what", e.what()}});
  } catch (const asio::multiple_exceptions& e) {
    log_failure(e.first_exception());  // two coroutines joined by && or ||, both cancelled
  } catch (const std::exception& e) {
    log::error("task failed", {{"what", e.what()}});
  } catch (...) {
    log::error("task failed", {{"what", "unknown exception"}});
  }
}

}  // namespace

Crew::Crew(asio::any_io_executor executor)
    : executor_(std::move(executor)), gone_(executor_, Steady::max()) {}

void Crew::add(awaitable<void> task) {
  const auto place = stops_.insert(stops_.end(), std::allocate_shared<Stop>(Recycling<Stop>()));
  auto done = [this, place](std::exception_ptr failure) {
    if (failure) log_failure(failure);
    (*place)->over = true;
    stops_.erase(place);
    if (stops_.empty()) gone_.cancel();
  };
  asio::co_spawn(executor_, std::move(task),
                 asio::bind_cancellation_slot((*place)->signal.slot(), std::move(done)));
}

void Crew::stop() {
  // Within the executor emit() arrives at once; from outside it would arrive later, when the task
  // may have ended and its signal with it. So it is carried inside first, and told of that.
  for (auto at = stops_.begin(); at != stops_.end();) {
    std::shared_ptr<Stop> stop = *at++;  // a task that ends at once leaves the list
    asio::dispatch(executor_, [stop = std::move(stop)] {
      if (!stop->over) stop->signal.emit(asio::cancellation_type::terminal);
    });
  }
}

awaitable<void> Crew::gone() {
  while (!stops_.empty()) {
    co_await gone_.async_wait(as_result);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return;
  }
}

}  // namespace gatehouse::net
