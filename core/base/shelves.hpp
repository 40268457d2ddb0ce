#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

namespace gatehouse {

/// Free blocks of memory in so many sizes, each kept for the next one that asks for its size. Kind
/// says what they are: `sizes`, `most_idle_bytes`, `bytes(at)` and `release(block)`, which gives a
/// block back to where it came from. No constructor and no destructor: for a thread_local.
template <class Kind>
class Shelves {
 public:
  bool has(std::size_t at) const { return by_size_[at].first != nullptr; }
  /// Requires: has(at).
  void* take(std::size_t at) {
    Shelf& shelf = by_size_[at];
    Free* const block = shelf.first;
    shelf.first = block->next;
    --shelf.count;
    idle_bytes_ -= Kind::bytes(at);
    return block;
  }
  void put(std::size_t at, void* memory) {
    Shelf& shelf = by_size_[at];
    shelf.first = ::new (memory) Free{shelf.first};
    ++shelf.count;
    idle_bytes_ += Kind::bytes(at);
    // Half of each size: those that nobody asks for any more are soon gone, the others come back.
    if (idle_bytes_ > Kind::most_idle_bytes) give_away(Keep::half);
  }
  enum class Keep : std::uint8_t { half, nothing };
  [[gnu::noinline]] void give_away(Keep keep) {
    for (std::size_t at = 0; at < Kind::sizes; ++at) {
      const std::size_t left = keep == Keep::half ? by_size_[at].count / 2 : 0;
      while (by_size_[at].count > left) Kind::release(take(at));
    }
  }

 private:
  struct Free {
    Free* next;
  };
  struct Shelf {
    Free* first = nullptr;
    std::size_t count = 0;
  };
  std::array<Shelf, Kind::sizes> by_size_{};
  std::size_t idle_bytes_ = 0;
};

}  // namespace gatehouse
