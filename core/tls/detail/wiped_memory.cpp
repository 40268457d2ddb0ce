#include "core/tls/detail/wiped_memory.hpp"

#include <malloc.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/base/unsized_memory.hpp"

namespace gatehouse::tls::detail {
namespace {

enum class Freed : unsigned char { left, may_be_wiped, wiped };
thread_local Freed freed = Freed::left;

void* take(std::size_t size, const char*, int) { return take_unsized(size); }

void give_back(void* memory, const char*, int) {
  if (freed == Freed::wiped && memory != nullptr) {
    explicit_bzero(memory, malloc_usable_size(memory));
  }
  give_unsized(memory);
}

void* resize(void* memory, std::size_t size, const char* file, int line) {
  // It wipes nothing that it leaves behind.
  if (size > 0 && freed != Freed::wiped) return std::realloc(memory, size);
  void* const moved = take_unsized(size);
  if (moved == nullptr && size > 0) return nullptr;
  if (moved != nullptr && memory != nullptr) {
    std::memcpy(moved, memory, std::min(size, malloc_usable_size(memory)));
  }
  give_back(memory, file, line);
  return moved;
}

/// OpenSSL takes them only before it has asked for memory once, and so before main().
[[maybe_unused]] const int taken = CRYPTO_set_mem_functions(take, resize, give_back);

}  // namespace

WipedMemory::WipedMemory(From from) {
  freed = from == From::now ? Freed::wiped : Freed::may_be_wiped;
}
WipedMemory::~WipedMemory() { freed = Freed::left; }

void WipedMemory::ask() {
  if (freed == Freed::may_be_wiped) freed = Freed::wiped;
}

void WipedMemory::enough() {
  if (freed == Freed::wiped) freed = Freed::may_be_wiped;
}

}  // namespace gatehouse::tls::detail
