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

}  // namespace

void* take_for_session(std::size_t size, void*) noexcept {
  if (size > std::numeric_limits<std::size_t>::max() - room_for_size) return nullptr;
  try {
    auto* const start = static_cast<std::byte*>(take_recycled(room_for_size + size));
    std::memcpy(start, &size, sizeof size);
    return start + room_for_size;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void give_of_session(void* piece, void*) noexcept {
  if (piece != nullptr) give_recycled(start_of(piece), room_for_size + size_of(piece));
}

void* take_cleared_for_session(std::size_t count, std::size_t size, void* user) noexcept {
  if (size != 0 && count > std::numeric_limits<std::size_t>::max() / size) return nullptr;
  void* const piece = take_for_session(count * size, user);
  if (piece != nullptr) std::memset(piece, 0, count * size);
  return piece;
}

void* resize_for_session(void* piece, std::size_t size, void* user) noexcept {
  void* const larger = take_for_session(size, user);
  if (larger == nullptr || piece == nullptr) return larger;
  std::memcpy(larger, piece, std::min(size, size_of(piece)));
  give_of_session(piece, user);
  return larger;
}

}  // namespace gatehouse::http::detail
