#include "core/base/unsized_memory.hpp"

#include <malloc.h>

#include <cstdlib>

#include "core/base/sanitized.hpp"
#include "core/base/shelves.hpp"

namespace gatehouse {

#ifdef GATEHOUSE_SANITIZED

// They find what is used after its end only where that was given back.
void* take_unsized(std::size_t bytes) noexcept { return bytes == 0 ? nullptr : std::malloc(bytes); }
void give_unsized(void* memory) noexcept { std::free(memory); }
void keep_unsized(bool) noexcept {}

#else

namespace {

// What malloc() gives has a multiple of sixteen octets, less eight that are its own.
constexpr std::size_t malloc_step = 16;
constexpr std::size_t malloc_own = 8;

struct Unsized {
  static constexpr std::size_t sizes = 1280;  // up to 20 KiB: a record and what is around it
  static constexpr std::size_t most_idle_bytes = 256 * 1024;
  static constexpr std::size_t bytes(std::size_t at) { return at * malloc_step - malloc_own; }
  static void release(void* block) { std::free(block); }
};

constinit thread_local Shelves<Unsized> unsized;
constinit thread_local bool unsized_kept = false;

/// The first size that has room for so many.
std::size_t size_for(std::size_t bytes) {
  return (bytes + malloc_own + malloc_step - 1) / malloc_step;
}
/// The last size that a block of so many has room for.
std::size_t size_of(std::size_t bytes) { return (bytes + malloc_own) / malloc_step; }

}  // namespace

void* take_unsized(std::size_t bytes) noexcept {
  if (bytes == 0) return nullptr;
  const std::size_t at = size_for(bytes);
  if (at >= Unsized::sizes || !unsized.has(at)) return std::malloc(bytes);
  return unsized.take(at);
}

void give_unsized(void* memory) noexcept {
  if (memory == nullptr) return;
  const std::size_t at = size_of(malloc_usable_size(memory));
  if (!unsized_kept || at >= Unsized::sizes) return std::free(memory);
  unsized.put(at, memory);
}

void keep_unsized(bool keep) noexcept {
  unsized_kept = keep;
  if (!keep) unsized.give_away(Shelves<Unsized>::Keep::nothing);
}

#endif

}  // namespace gatehouse
