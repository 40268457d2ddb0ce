#include "core/http/h1_buffers.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/base/copy_short.hpp"

namespace gatehouse::http {
namespace {

class NumberText {
 public:
  NumberText(std::uint64_t value, int base)
      : end_(std::to_chars(digits_.data(), digits_.data() + digits_.size(), value, base).ptr) {}
  std::string_view view() const { return {digits_.data(), end_}; }

 private:
  std::array<char, 20> digits_;
  const char* end_;
};

}  // namespace

void InputBuffer::unpin() {
  floor_ = 0;
  pinned_.release();
  pinned_large_.reset();
  if (begin_ != end_) return;
  block_.release();
  large_.reset();
  data_ = nullptr;
  capacity_ = begin_ = end_ = 0;
}

void InputBuffer::use(net::BufferPool::Block block) {
  block_ = std::move(block);
  data_ = block_.bytes().data();
  capacity_ = block_.bytes().size();
}

/// Unread bytes go to the start of a new buffer; the old one is kept where a head is pinned in it.
void InputBuffer::move_to(std::size_t capacity) {
  const std::string_view old = unread();
  net::BufferPool::Block block;
  std::unique_ptr<char[]> large;
  char* to = nullptr;
  if (capacity <= pool_.block_bytes()) {
    block = pool_.take();
    to = block.bytes().data();
    capacity = block.bytes().size();
  } else {
    large = std::make_unique_for_overwrite<char[]>(capacity);
    to = large.get();
  }
  if (!old.empty()) std::memcpy(to, old.data(), old.size());
  if (floor_ > 0) {
    pinned_ = std::move(block_);
    pinned_large_ = std::move(large_);
  }
  block_ = std::move(block);
  large_ = std::move(large);
  data_ = to;
  capacity_ = capacity;
  floor_ = begin_ = 0;
  end_ = old.size();
}

std::span<char> InputBuffer::room(std::size_t most) {
  if (data_ == nullptr) use(pool_.take());
  if (begin_ == end_) {
    begin_ = end_ = floor_;
  } else if (floor_ == 0 && begin_ > 0 && capacity_ - end_ < least_room) {
    std::memmove(data_, data_ + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (floor_ > 0 && capacity_ - end_ < least_room) {
    move_to(pool_.block_bytes());
  } else if (end_ == capacity_) {
    move_to(std::max(most, capacity_ * 2));
  }
  return {data_ + end_, capacity_ - end_};
}

[[gnu::always_inline]] inline char* OutputBuffer::at_hand(std::size_t bytes) {
  if (!large_.empty() || bytes > pool_.block_bytes() - size_) return nullptr;
  if (!block_) block_ = pool_.take();
  return block_.bytes().data() + size_;
}

void OutputBuffer::append(std::string_view bytes) {
  if (bytes.empty()) return;
  if (char* const at = at_hand(bytes.size())) {
    copy_short(at, bytes);
    size_ += bytes.size();
    return;
  }
  if (large_.empty()) large_.assign(view());
  large_.append(bytes);
}

void OutputBuffer::append_all(std::initializer_list<std::string_view> pieces) {
  std::size_t bytes = 0;
  for (const std::string_view piece : pieces) bytes += piece.size();
  char* at = at_hand(bytes);
  if (at == nullptr) {
    for (const std::string_view piece : pieces) append(piece);
    return;
  }
  for (const std::string_view piece : pieces) at = copy_short(at, piece);
  size_ += bytes;
}

void OutputBuffer::append_field(std::string_view name, std::string_view value) {
  constexpr std::string_view between = ": ";
  constexpr std::string_view end = "\r\n";
  const std::size_t bytes = name.size() + between.size() + value.size() + end.size();
  char* at = at_hand(bytes);
  if (at == nullptr) {
    for (const std::string_view piece : {name, between, value, end}) append(piece);
    return;
  }
  at = copy_short(at, name);
  at = std::copy(between.begin(), between.end(), at);
  at = copy_short(at, value);
  std::copy(end.begin(), end.end(), at);
  size_ += bytes;
}

void OutputBuffer::append_hex(std::uint64_t value) { append(NumberText(value, 16).view()); }

void OutputBuffer::append_length(std::uint64_t bytes) {
  append_field("Content-Length", NumberText(bytes, 10).view());
}

std::string_view OutputBuffer::view() const {
  if (!large_.empty()) return large_;
  if (size_ == 0) return {};
  return {block_.bytes().data(), size_};
}

void OutputBuffer::clear() {
  block_.release();
  size_ = 0;
  if (!large_.empty()) large_ = std::string();
}

}  // namespace gatehouse::http
