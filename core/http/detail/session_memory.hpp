#pragma once

#include <cstddef>

/// What libnghttp2 takes its memory with: recycled, because each stream takes the same five pieces
/// as the one before it, and malloc keeps ready only a few of a size. Null where there is none.
namespace gatehouse::http::detail {

void* take_for_session(std::size_t size, void* user) noexcept;
void* take_cleared_for_session(std::size_t count, std::size_t size, void* user) noexcept;
void* resize_for_session(void* piece, std::size_t size, void* user) noexcept;
void give_of_session(void* piece, void* user) noexcept;

}  // namespace gatehouse::http::detail
