#pragma once

#include <cstddef>

namespace gatehouse {

/// Memory that each thread keeps by size for whoever comes next: a request takes the same pieces as
/// the one before it. For coroutine frames, where Asio keeps a few blocks of any size and gives
/// away what the next frame would have needed, and for what an idle connection should not hold.
/// May be given on another thread than it was taken on.
void* take_recycled(std::size_t bytes);
void give_recycled(void* memory, std::size_t bytes) noexcept;

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

}  // namespace gatehouse
