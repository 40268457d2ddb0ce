#include "core/http/detail/session_memory.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <new>

#include "core/base/recycling.hpp"

namespace gatehouse::http::detail {
namespace {

// The library does not say how large a piece is when it gives it back: that stands before it.
constexpr std::size_t room_for_size = alignof(std::max_align_t);
static_assert(room_for_size >= sizeof(std::size_t));

std::byte* start_of(void* piece) { return static_cast<std::byte*>(piece) - room_for_size; }

std::size_t size_of(void* piece) {
  std::size_t size = 0;
  std::memcpy(&size, start_of(piece), sizeof size);
  return size;
}

SessionMemory& own(void* user) { return *static_cast<SessionMemory*>(user); }

}  // namespace

void* SessionMemory::take(std::size_t size, void* user) noexcept {
  if (size > std::numeric_limits<std::size_t>::max() / 2) return nullptr;
  SessionMemory& self = own(user);
  void* start = nullptr;
  const std::size_t needed =
      room_for_size + (size + room_for_size - 1) / room_for_size * room_for_size;
  if (self.making_ && needed <= RestingMemory::bytes - self.used_) {
    start = self.pages_.begin() + self.used_;
    self.used_ += needed;
  } else {
    try {
      start = take_recycled(room_for_size + size);
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }
  std::memcpy(start, &size, sizeof size);
  return static_cast<std::byte*>(start) + room_for_size;
}

void SessionMemory::give(void* piece, void* user) noexcept {
  if (piece == nullptr || own(user).pages_.holds(piece)) return;
  give_recycled(start_of(piece), room_for_size + size_of(piece));
}

void* SessionMemory::take_cleared(std::size_t count, std::size_t size, void* user) noexcept {
  if (size != 0 && count > std::numeric_limits<std::size_t>::max() / size) return nullptr;
  void* const piece = take(count * size, user);
  const bool clear = piece == nullptr || own(user).pages_.holds(piece);  // nobody had it before
  if (!clear) std::memset(piece, 0, count * size);
  return piece;
}

void* SessionMemory::resize(void* piece, std::size_t size, void* user) noexcept {
  void* const larger = take(size, user);
  if (larger == nullptr || piece == nullptr) return larger;
  std::memcpy(larger, piece, std::min(size, size_of(piece)));
  give(piece, user);
  return larger;
}

}  // namespace gatehouse::http::detail
