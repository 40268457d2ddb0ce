#pragma once

#include <cstddef>

namespace gatehouse {

/// Memory that a thread keeps by size for whoever comes next: a request takes the same pieces as
/// the one before it. For coroutine frames, where Asio keeps a few blocks of any size and gives
/// away what the next frame would have needed, and for what an idle connection should not hold. A
/// thread keeps at most 2 MiB: what a few hundred requests at once take.
/// May be given on another thread than it was taken on. Threads keep none but those of
/// RecyclingThread.
void* take_recycled(std::size_t bytes);
void give_recycled(void* memory, std::size_t bytes) noexcept;

/// While it lives, this thread keeps memory. For those that take as much as they give: a helper
/// gets the frames of its jobs from elsewhere, and would gather them up. One a thread.
class RecyclingThread {
 public:
  RecyclingThread();
  RecyclingThread(const RecyclingThread&) = delete;
  RecyclingThread& operator=(const RecyclingThread&) = delete;
  ~RecyclingThread();
};

/// The same for containers.
template <class T>
struct Recycling {
  using value_type = T;

  Recycling() = default;
  template <class U>
  Recycling(const Recycling<U>&) noexcept {}

  T* allocate(std::size_t count) { return static_cast<T*>(take_recycled(count * sizeof(T))); }
  void deallocate(T* first, std::size_t count) noexcept { give_recycled(first, count * sizeof(T)); }
  bool operator==(const Recycling&) const = default;
};

/// Base of what comes and goes with each request: its objects, of whatever class they are, are
/// recycled.
struct Recycled {
  static void* operator new(std::size_t bytes) { return take_recycled(bytes); }
  static void operator delete(void* memory, std::size_t bytes) noexcept {
    give_recycled(memory, bytes);
  }
};

}  // namespace gatehouse
