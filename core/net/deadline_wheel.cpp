#include "core/net/deadline_wheel.hpp"

namespace gatehouse::net {

DeadlineWheel::DeadlineWheel(Clock& clock) : clock_(clock), start_(clock.steady()) {}

DeadlineWheel::~DeadlineWheel() {
  for (Entry* first : wheel_) {
    while (first != nullptr) {
      Entry* next = first->next_;
      first->back_ = nullptr;
      first->next_ = nullptr;
      first = next;
    }
  }
}

std::int64_t DeadlineWheel::tick_of(Steady when) const {
  // Rounded up: an entry's slot comes up when its deadline has passed.
  return (when - start_ + tick - Steady::duration(1)) / tick;
}

void DeadlineWheel::Entry::set(Steady due) {
  if ((due_ == Steady::max()) != (due == Steady::max())) {
    wheel_.due_ += due == Steady::max() ? -1UL : 1UL;
  }
  due_ = due;
  if (back_ != nullptr) {
    if (due >= filed_) return;  // found later, when its slot comes up
    unlink();
  } else if (due == Steady::max()) {
    return;
  }
  wheel_.file(*this);
}

void DeadlineWheel::Entry::leave() {
  if (due_ != Steady::max()) --wheel_.due_;
  unlink();
}

void DeadlineWheel::Entry::unlink() {
  if (back_ == nullptr) return;
  *back_ = next_;
  if (next_ != nullptr) next_->back_ = back_;
  back_ = nullptr;
  next_ = nullptr;
  --wheel_.count_;
}

void DeadlineWheel::file(Entry& entry) {
  if (count_ == 0) {
    // run() slept: nothing is filed, so no slot between then and now needs a visit.
    done_ = (clock_.steady() - start_) / tick;
    if (idle_ != nullptr) idle_->cancel();
  }
  std::int64_t at = std::max(tick_of(entry.due_), done_ + 1);
  // Farther away than the wheel reaches: visited once a turn.
  at = std::min(at, done_ + static_cast<std::int64_t>(slots) - 1);
  entry.filed_ = start_ + at * tick;
  Entry*& head = wheel_[static_cast<std::size_t>(at) % slots];
  entry.next_ = head;
  entry.back_ = &head;
  if (head != nullptr) head->back_ = &entry.next_;
  head = &entry;
  ++count_;
}

void DeadlineWheel::advance() {
  const Steady now = clock_.steady();
  const std::int64_t until = (now - start_) / tick;
  while (done_ < until && count_ > 0) {
    Entry*& head = wheel_[static_cast<std::size_t>(done_ + 1) % slots];
    // Taken out first: expire() may set or destroy any entry, this one and its neighbours too.
    Entry* list = head;
    head = nullptr;
    if (list != nullptr) list->back_ = &list;
    ++done_;
    while (list != nullptr) {
      Entry& entry = *list;
      entry.unlink();
      if (entry.due_ == Steady::max()) continue;
      if (entry.due_ <= now) {
        entry.due_ = Steady::max();
        --due_;
        entry.expire_(entry.owner_);
      } else {
        ++count_;  // file() takes an empty wheel for one that slept
        file(entry);
        --count_;
      }
    }
  }
  if (count_ == 0) done_ = std::max(done_, until);
}

awaitable<void> DeadlineWheel::run() {
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer idle(executor, Steady::max());
  idle_ = &idle;
  struct Unpark {
    DeadlineWheel& wheel;
    ~Unpark() { wheel.idle_ = nullptr; }
  };
  const Unpark unpark{*this};
  for (;;) {
    if (count_ == 0) {
      co_await idle.async_wait(as_result);
      const auto state = co_await asio::this_coro::cancellation_state;
      if (state.cancelled() != asio::cancellation_type::none) co_return;
      continue;
    }
    co_await clock_.sleep_until(start_ + (done_ + 1) * tick);
    advance();
  }
}

}  // namespace gatehouse::net
