// The allocator of this program, which counts for each thread. Defined here, these take the place
// of the C library's, and operator new and Asio's aligned_alloc come to them too.

#include "tests/allocations/counted.hpp"

#include <malloc.h>

#include <cerrno>
#include <cstddef>

namespace {

thread_local std::uint64_t taken = 0;
thread_local std::string_view sought;
thread_local std::uint64_t seen = 0;

}  // namespace

extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* block);

void* malloc(std::size_t size) {
  ++taken;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  ++taken;
  return __libc_calloc(count, size);
}
void* realloc(void* block, std::size_t size) {
  ++taken;
  return __libc_realloc(block, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  ++taken;
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  ++taken;
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** into, std::size_t alignment, std::size_t size) {
  ++taken;
  *into = __libc_memalign(alignment, size);
  return *into == nullptr ? ENOMEM : 0;
}

void free(void* block) {
  if (block != nullptr && !sought.empty()) {
    const std::string_view octets(static_cast<const char*>(block), malloc_usable_size(block));
    if (octets.find(sought) != std::string_view::npos) ++seen;
  }
  __libc_free(block);
}

}  // extern "C"

namespace gatehouse::test {

std::uint64_t allocations_of_this_thread() { return taken; }

Watched::Watched(std::string_view octets) {
  seen = 0;
  sought = octets;
}
Watched::~Watched() { sought = {}; }
std::uint64_t Watched::times() const { return seen; }

}  // namespace gatehouse::test
