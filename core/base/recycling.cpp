#include "core/base/recycling.hpp"

#include <array>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GATEHOUSE_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GATEHOUSE_SANITIZED
#endif
#endif

namespace gatehouse {

#ifdef GATEHOUSE_SANITIZED

// They find what is used after its end only where that was given back.
void* take_recycled(std::size_t bytes) { return ::operator new(bytes); }
void give_recycled(void* memory, std::size_t) noexcept { ::operator delete(memory); }

#else

namespace {

constexpr std::size_t step = 64;
constexpr std::size_t sizes = 64;       // up to 4 KiB
constexpr std::size_t most_idle = 256;  // of one size

struct Free {
  Free* next;
};
struct Shelf {
  Free* first = nullptr;
  std::size_t count = 0;
};
struct Shelves {
  std::array<Shelf, sizes> by_size{};
  bool closed = false;
};

// Without a destructor, because frames may end after the thread's others have run.
constinit thread_local Shelves shelves;

/// Empties the shelves when the thread ends.
struct Cleaner {
  bool here = true;
  ~Cleaner() {
    shelves.closed = true;
    for (Shelf& shelf : shelves.by_size) {
      while (shelf.first != nullptr) {
        Free* const block = shelf.first;
        shelf.first = block->next;
        ::operator delete(block);
      }
    }
  }
};
thread_local Cleaner cleaner;

std::size_t size_class(std::size_t bytes) { return (bytes - 1) / step; }

}  // namespace

void* take_recycled(std::size_t bytes) {
  const std::size_t at = size_class(bytes);
  if (at >= sizes) return ::operator new(bytes);
  Shelf& shelf = shelves.by_size[at];
  if (shelf.first == nullptr) {
    static_cast<void>(cleaner.here);  // the first use makes it
    return ::operator new((at + 1) * step);
  }
  Free* const block = shelf.first;
  shelf.first = block->next;
  --shelf.count;
  return block;
}

void give_recycled(void* memory, std::size_t bytes) noexcept {
  const std::size_t at = size_class(bytes);
  if (at >= sizes || shelves.closed || shelves.by_size[at].count == most_idle) {
    ::operator delete(memory);
    return;
  }
  Shelf& shelf = shelves.by_size[at];
  if (shelf.first == nullptr) static_cast<void>(cleaner.here);
  shelf.first = ::new (memory) Free{shelf.first};
  ++shelf.count;
}

#endif

}  // namespace gatehouse
