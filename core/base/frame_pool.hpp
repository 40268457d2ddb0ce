#pragma once

#include <cstddef>

namespace gatehouse {

/// Memory for coroutine frames, kept by size on each thread: a request makes the same frames as the
/// one before it. Asio keeps a few blocks of any size instead, and gives away what the next frame
/// would have needed. A frame may end on another thread than the one it began on.
void* take_frame(std::size_t bytes);
void give_frame(void* frame, std::size_t bytes) noexcept;

}  // namespace gatehouse
