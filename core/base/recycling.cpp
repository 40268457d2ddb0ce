#include "core/base/recycling.hpp"

#include <array>
#include <cstdint>
#include <new>

#include "core/base/sanitized.hpp"

namespace gatehouse {

#ifdef GATEHOUSE_SANITIZED

// They find what is used after its end only where that was given back.
void* take_recycled(std::size_t bytes) { return ::operator new(bytes); }
void give_recycled(void* memory, std::size_t) noexcept { ::operator delete(memory); }
RecyclingThread::RecyclingThread() = default;
RecyclingThread::~RecyclingThread() = default;

#else

namespace {

constexpr std::size_t step = 64;
constexpr std::size_t sizes = 64;  // up to 4 KiB
constexpr std::size_t most_idle_bytes = 2 * 1024 * 1024;

struct Free {
  Free* next;
};
struct Shelf {
  Free* first = nullptr;
  std::size_t count = 0;
};
struct Shelves {
  std::array<Shelf, sizes> by_size{};
  std::size_t idle_bytes = 0;
  bool open = false;

  void put(std::size_t at, void* memory) {
    Shelf& shelf = by_size[at];
    shelf.first = ::new (memory) Free{shelf.first};
    ++shelf.count;
    idle_bytes += (at + 1) * step;
  }
  void* take(std::size_t at) {
    Shelf& shelf = by_size[at];
    Free* const block = shelf.first;
    shelf.first = block->next;
    --shelf.count;
    idle_bytes -= (at + 1) * step;
    return block;
  }
  enum class Keep : std::uint8_t { half, nothing };
  void give_away(Keep keep) {
    for (std::size_t at = 0; at < sizes; ++at) {
      const std::size_t left = keep == Keep::half ? by_size[at].count / 2 : 0;
      while (by_size[at].count > left) ::operator delete(take(at));
    }
  }
};

constinit thread_local Shelves shelves;

std::size_t size_class(std::size_t bytes) { return (bytes - 1) / step; }

}  // namespace

void* take_recycled(std::size_t bytes) {
  const std::size_t at = size_class(bytes);
  if (at >= sizes) return ::operator new(bytes);
  if (shelves.by_size[at].first == nullptr) return ::operator new((at + 1) * step);
  return shelves.take(at);
}

void give_recycled(void* memory, std::size_t bytes) noexcept {
  const std::size_t at = size_class(bytes);
  if (at >= sizes || !shelves.open) {
    ::operator delete(memory);
    return;
  }
  shelves.put(at, memory);
  // Half of each size: those that nobody asks for any more are soon gone, the others come back.
  if (shelves.idle_bytes > most_idle_bytes) shelves.give_away(Shelves::Keep::half);
}

RecyclingThread::RecyclingThread() { shelves.open = true; }
RecyclingThread::~RecyclingThread() {
  shelves.open = false;
  shelves.give_away(Shelves::Keep::nothing);
}

#endif

}  // namespace gatehouse
