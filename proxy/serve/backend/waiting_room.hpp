#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <list>
#include <memory>

#include "core/base/asio.hpp"
#include "core/net/deadline_wheel.hpp"

namespace gatehouse::serve::backend {

class WaitingRoom;

/// Tells the waiting rooms of all workers that a server of their backend has a free slot. Any
/// thread may do anything here, nobody waits for anybody.
class Bell {
 public:
  Bell() = default;
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;
  ~Bell();

  /// The next ring() will call the first that waits in `room`. Look for a free slot once more after
  /// this: it may have come free before.
  void hang(asio::any_io_executor executor, std::weak_ptr<WaitingRoom> room);
  /// Calls every room that hung itself in, on its own worker. Costs one load when none did.
  void ring();

 private:
  struct Cord {
    asio::any_io_executor executor;
    std::weak_ptr<WaitingRoom> room;
    Cord* next = nullptr;
  };
  std::atomic<Cord*> cords_{nullptr};
};

/// Requests of one worker that wait until a server of one backend has a free slot, first come first
/// served. Touch it on its worker only; lives as long as a request in it.
class WaitingRoom : public std::enable_shared_from_this<WaitingRoom> {
 public:
  /// More than this do not wait: they are turned away.
  static constexpr std::size_t most = 1024;

  WaitingRoom(net::DeadlineWheel& wheel, asio::any_io_executor executor,
              std::shared_ptr<Bell> bell);
  WaitingRoom(const WaitingRoom&) = delete;
  WaitingRoom& operator=(const WaitingRoom&) = delete;

  bool empty() const { return seats_.empty(); }
  bool full() const { return seats_.size() >= most; }
  std::size_t size() const { return seats_.size(); }
  /// Makes sure that the next free slot on any worker is told here.
  void listen();
  enum class Place : std::uint8_t { last, first };  // first: it was called and came too late
  /// True: called, a slot may be free. False: the deadline passed.
  awaitable<bool> sit(Steady deadline, Place place);
  /// Calls the first.
  void call();

 private:
  friend class Bell;
  struct Seat {
    Seat(net::DeadlineWheel& wheel, const asio::any_io_executor& executor)
        : over(executor, Steady::max()), late(wheel, this, &Seat::expire) {}
    static void expire(void* self) noexcept { static_cast<Seat*>(self)->over.cancel(); }
    asio::steady_timer over;  // a condition
    net::DeadlineWheel::Entry late;
    bool called = false;
  };
  void rung();

  net::DeadlineWheel& wheel_;
  asio::any_io_executor executor_;
  std::shared_ptr<Bell> bell_;
  std::list<Seat*> seats_;
  bool listening_ = false;
};

}  // namespace gatehouse::serve::backend
