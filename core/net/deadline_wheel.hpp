#pragma once

#include <array>
#include <cstddef>

#include "core/base/asio.hpp"
#include "core/base/clock.hpp"

namespace gatehouse::net {

/// One coarse timer for all deadlines of a worker. A deadline that moves later costs one
/// assignment: its entry stays in the slot it was filed in and is filed anew when that slot comes
/// up. One that is taken away stays there too: most come back before that. Fires at most one tick
/// (100 ms) late, never early. Touch it on its worker only.
class DeadlineWheel {
 public:
  static constexpr std::chrono::milliseconds tick{100};

  /// Something with a deadline. Lives inside its owner; leaves the wheel with it. Not movable.
  class Entry {
   public:
    using Expire = void (*)(void* owner) noexcept;
    Entry(DeadlineWheel& wheel, void* owner, Expire expire)
        : wheel_(wheel), owner_(owner), expire_(expire) {}
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    ~Entry() {
      if (back_ != nullptr) leave();
    }

    /// `Steady::max()` takes the deadline away.
    void set(Steady due);
    Steady due() const { return due_; }

   private:
    friend class DeadlineWheel;
    void leave();
    void unlink();

    DeadlineWheel& wheel_;
    void* owner_;
    Expire expire_;
    Steady due_ = Steady::max();
    Steady filed_ = Steady::max();  // end of the slot it stands in
    Entry* next_ = nullptr;
    Entry** back_ = nullptr;  // the pointer that points here; null when not filed
  };

  explicit DeadlineWheel(Clock& clock);
  ~DeadlineWheel();

  /// Ticks until cancelled. Spawn once per worker.
  awaitable<void> run();
  Clock& clock() const { return clock_; }
  /// Entries that have a deadline now.
  std::size_t filed() const { return due_; }

 private:
  static constexpr std::size_t slots = 1024;

  std::int64_t tick_of(Steady when) const;
  void file(Entry& entry);
  void advance();

  Clock& clock_;
  Steady start_;
  std::int64_t done_ = 0;  // the last tick whose slot was emptied
  std::array<Entry*, slots> wheel_{};
  std::size_t count_ = 0;               // in the slots
  std::size_t due_ = 0;                 // of those, with a deadline
  asio::steady_timer* idle_ = nullptr;  // parks run() while nothing is filed
};

}  // namespace gatehouse::net
