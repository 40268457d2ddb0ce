#pragma once

#include <cstddef>

#include "core/base/resting_memory.hpp"

/// What libnghttp2 takes a session's memory from.
namespace gatehouse::http::detail {

/// What a session takes while it is made are tables and a buffer for frames, 26 KiB: those can be
/// laid to rest. All else is recycled, because each stream takes the same five pieces as the one
/// before it, and malloc keeps ready only a few of a size. The functions have the library's forms;
/// `user` is the SessionMemory.
class SessionMemory {
 public:
  static void* take(std::size_t size, void* user) noexcept;  // null where there is none
  static void* take_cleared(std::size_t count, std::size_t size, void* user) noexcept;
  static void* resize(void* piece, std::size_t size, void* user) noexcept;
  static void give(void* piece, void* user) noexcept;

  /// The session is made.
  void made() { making_ = false; }
  /// The library must not be called until wake().
  void rest() noexcept { pages_.rest(); }
  bool resting() const { return pages_.resting(); }
  void wake() noexcept { pages_.wake(); }

 private:
  RestingMemory pages_;
  std::size_t used_ = 0;
  bool making_ = true;
};

}  // namespace gatehouse::http::detail
