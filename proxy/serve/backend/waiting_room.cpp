#include "proxy/serve/backend/waiting_room.hpp"

#include <utility>

namespace gatehouse::serve::backend {

// --- Bell

Bell::~Bell() {
  for (Cord* cord = cords_.load(); cord != nullptr;) {
    const std::unique_ptr<Cord> owned(std::exchange(cord, cord->next));
  }
}

// Sequentially consistent against the count of slots: whoever hangs himself in and then sees no
// free slot is seen by whoever frees one after that.
void Bell::hang(asio::any_io_executor executor, std::weak_ptr<WaitingRoom> room) {
  auto cord = std::make_unique<Cord>();
  cord->executor = std::move(executor);
  cord->room = std::move(room);
  Cord* const hung = cord.release();
  hung->next = cords_.load();
  while (!cords_.compare_exchange_weak(hung->next, hung)) {
  }
}

void Bell::ring() {
  if (cords_.load() == nullptr) return;
  for (Cord* cord = cords_.exchange(nullptr); cord != nullptr;) {
    const std::unique_ptr<Cord> owned(std::exchange(cord, cord->next));
    if (owned->room.expired()) continue;  // its worker may be gone as well
    asio::post(owned->executor, [room = std::move(owned->room)] {
      if (const auto there = room.lock()) there->rung();
    });
  }
}

// --- WaitingRoom

WaitingRoom::WaitingRoom(net::DeadlineWheel& wheel, asio::any_io_executor executor,
                         std::shared_ptr<Bell> bell)
    : wheel_(wheel), executor_(std::move(executor)), bell_(std::move(bell)) {}

void WaitingRoom::listen() {
  if (std::exchange(listening_, true)) return;
  bell_->hang(executor_, weak_from_this());
}

void WaitingRoom::rung() {
  listening_ = false;
  call();
}

void WaitingRoom::call() {
  if (seats_.empty()) return;
  Seat* const first = seats_.front();
  seats_.pop_front();
  first->called = true;
  first->over.cancel();
}

awaitable<bool> WaitingRoom::sit(Steady deadline, Place place) {
  struct Leave {
    std::list<Seat*>& seats;
    Seat& seat;
    ~Leave() { seats.remove(&seat); }
  };
  Seat seat(wheel_, executor_);
  seat.late.set(deadline);
  const Leave leave{seats_, seat};
  seats_.insert(place == Place::first ? seats_.begin() : seats_.end(), &seat);
  co_await seat.over.async_wait(as_result);
  co_return seat.called;
}

}  // namespace gatehouse::serve::backend
