#pragma once

#include <cstddef>
#include <string_view>
#include <utility>

#include "core/base/copy_short.hpp"
#include "core/base/recycling.hpp"

namespace gatehouse {

/// Copies of octets that stay where they are until all of them go: in blocks of recycled memory,
/// none while it is empty. Moves, but is not copied; what was kept stays where it is then, too.
class KeptOctets {
 public:
  KeptOctets() = default;
  KeptOctets(KeptOctets&& other) noexcept
      : last_(std::exchange(other.last_, nullptr)),
        free_(std::exchange(other.free_, nullptr)),
        left_(std::exchange(other.left_, 0)) {}
  KeptOctets& operator=(KeptOctets&& other) noexcept {
    std::swap(last_, other.last_);
    std::swap(free_, other.free_);
    std::swap(left_, other.left_);
    return *this;
  }
  ~KeptOctets() { clear(); }

  std::string_view keep(std::string_view octets) {
    if (octets.size() > left_) grow(octets.size());
    char* const at = free_;
    free_ = copy_short(at, octets);
    left_ -= octets.size();
    return {at, octets.size()};
  }
  void clear() noexcept {
    while (last_ != nullptr) {
      Block* const block = std::exchange(last_, last_->before);
      give_recycled(block, block->size);
    }
    free_ = nullptr;
    left_ = 0;
  }

 private:
  /// The head of a block, its octets behind it.
  struct Block {
    Block* before;
    std::size_t size;
  };
  void grow(std::size_t octets);

  Block* last_ = nullptr;
  char* free_ = nullptr;  // in the last block
  std::size_t left_ = 0;
};

}  // namespace gatehouse
