#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace gatehouse {

/// Memory at an address of its own, zero at first, that can be laid to rest: what is not zero in it
/// is set aside, and its pages go back to the kernel until it is woken. For what a library keeps
/// for a connection that is idle, points into, and hardly fills. One thread at a time; it may end
/// on another one.
class RestingMemory {
 public:
  static constexpr std::size_t bytes = 32 * 1024;

  /// Throws std::bad_alloc.
  RestingMemory();
  RestingMemory(const RestingMemory&) = delete;
  RestingMemory& operator=(const RestingMemory&) = delete;
  ~RestingMemory();

  /// Not to be looked at while it rests.
  char* begin() const { return pages_; }
  bool holds(const void* at) const {
    const auto* octet = static_cast<const char*>(at);
    return octet >= pages_ && octet < pages_ + bytes;
  }
  /// Stays awake where that would bring little, or where memory is short.
  void rest() noexcept;
  bool resting() const { return aside_ != nullptr; }
  void wake() noexcept {
    if (resting()) [[unlikely]]
      bring_back();
  }

 private:
  void bring_back() noexcept;

  char* const pages_;
  std::unique_ptr<std::uint64_t[]>
      aside_;  // runs of words, each behind where it was and its length
  std::size_t aside_words_ = 0;
};

}  // namespace gatehouse
