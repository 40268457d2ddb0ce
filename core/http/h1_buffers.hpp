#pragma once

#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/net/buffer_pool.hpp"

namespace gatehouse::http {

/// Bytes read and not yet consumed. Holds a block only while there are any, or while a head in it
/// is pinned, so that a connection that waits holds nothing.
class InputBuffer {
 public:
  explicit InputBuffer(net::BufferPool& pool) : pool_(pool) {}

  std::string_view unread() const { return {data_ + begin_, end_ - begin_}; }
  void consume(std::size_t bytes) { begin_ += bytes; }
  /// The first `bytes` unread ones are consumed and stay where they are until unpin().
  void pin(std::size_t bytes) {
    begin_ += bytes;
    floor_ = begin_;
  }
  /// The pinned head may go. Without unread bytes the block goes too.
  void unpin();
  /// Space to read into; unread bytes stay, and move only where nothing is pinned. While a head is
  /// being collected `most` is its limit: a block is left for a larger buffer once it is full.
  std::span<char> room(std::size_t most);
  void filled(std::size_t bytes) { end_ += bytes; }

 private:
  static constexpr std::size_t least_room = 8 * 1024;
  void use(net::BufferPool::Block block);
  void move_to(std::size_t capacity);

  net::BufferPool& pool_;
  net::BufferPool::Block block_;   // what `data_` points into, or
  std::unique_ptr<char[]> large_;  // where a block is too small
  net::BufferPool::Block pinned_;  // the head's, when the body is read into another one
  std::unique_ptr<char[]> pinned_large_;
  char* data_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t floor_ = 0;  // below it lies the pinned head
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

/// Bytes to be written next. Holds a block only while there are any.
class OutputBuffer {
 public:
  explicit OutputBuffer(net::BufferPool& pool) : pool_(pool) {}

  void append(std::string_view bytes);
  /// One after the other.
  void append_all(std::initializer_list<std::string_view> pieces);
  void append_hex(std::uint64_t value);
  /// `name: value` and the line end.
  void append_field(std::string_view name, std::string_view value);
  /// Content-Length.
  void append_length(std::uint64_t bytes);
  bool empty() const { return size_ == 0 && large_.empty(); }
  /// What fits without leaving the block.
  std::size_t room() const { return large_.empty() ? pool_.block_bytes() - size_ : 0; }
  std::string_view view() const;
  void clear();

 private:
  /// Where so many octets go; null where a block has no room for them.
  char* at_hand(std::size_t bytes);

  net::BufferPool& pool_;
  net::BufferPool::Block block_;
  std::size_t size_ = 0;
  std::string large_;  // everything, once a block is too small
};

}  // namespace gatehouse::http
