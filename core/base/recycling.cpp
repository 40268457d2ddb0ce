#include "core/base/recycling.hpp"

#include <new>

#include "core/base/sanitized.hpp"
#include "core/base/shelves.hpp"
#include "core/base/unsized_memory.hpp"

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

struct Sized {
  static constexpr std::size_t sizes = 64;  // up to 4 KiB
  static constexpr std::size_t most_idle_bytes = 2 * 1024 * 1024;
  static constexpr std::size_t bytes(std::size_t at) { return (at + 1) * step; }
  static void release(void* block) { ::operator delete(block); }
};

constinit thread_local Shelves<Sized> shelves;
constinit thread_local bool kept = false;

std::size_t size_class(std::size_t bytes) { return (bytes - 1) / step; }

}  // namespace

void* take_recycled(std::size_t bytes) {
  const std::size_t at = size_class(bytes);
  if (at >= Sized::sizes) return ::operator new(bytes);
  if (!shelves.has(at)) return ::operator new(Sized::bytes(at));
  return shelves.take(at);
}

void give_recycled(void* memory, std::size_t bytes) noexcept {
  const std::size_t at = size_class(bytes);
  if (at >= Sized::sizes || !kept) {
    ::operator delete(memory);
    return;
  }
  shelves.put(at, memory);
}

RecyclingThread::RecyclingThread() {
  kept = true;
  keep_unsized(true);
}
RecyclingThread::~RecyclingThread() {
  kept = false;
  shelves.give_away(Shelves<Sized>::Keep::nothing);
  keep_unsized(false);
}

#endif

}  // namespace gatehouse
