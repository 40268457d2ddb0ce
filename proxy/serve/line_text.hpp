#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

#include "core/base/copy_short.hpp"

namespace gatehouse::serve {

/// A line of text in the making. Its memory is used again by the next one.
class LineText {
 public:
  void clear() { size_ = 0; }
  std::string_view view() const { return {octets_.get(), size_}; }
  void append(std::string_view text) {
    copy_short(room(text.size()), text);
    size_ += text.size();
  }
  void append(char c) {
    *room(1) = c;
    ++size_;
  }
  /// Where up to `most` octets may be written; then say up to where they were.
  char* room(std::size_t most) {
    if (most > capacity_ - size_) grow(most);
    return octets_.get() + size_;
  }
  void written_to(const char* end) { size_ = static_cast<std::size_t>(end - octets_.get()); }
  /// Takes the last octet back. Requires: there is one.
  void pop_back() { --size_; }

 private:
  // Apart, because a thread's lines are soon as long as they get.
  [[gnu::noinline]] void grow(std::size_t by) {
    constexpr std::size_t usual = 1024;
    const std::size_t capacity = std::max({usual, 2 * capacity_, size_ + by});
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    if (size_ > 0) std::memcpy(larger.get(), octets_.get(), size_);
    octets_ = std::move(larger);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> octets_;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
};

}  // namespace gatehouse::serve
