#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace gatehouse::net {

/// Blocks of bytes that one worker lends to its connections, so that a connection that waits for
/// its next request holds none. Touch it on its worker only; it outlives every Block.
class BufferPool {
 public:
  /// One block on loan; goes back when it dies. Empty after a move.
  class Block {
   public:
    Block() = default;
    Block(Block&& other) noexcept : pool_(other.pool_), bytes_(std::move(other.bytes_)) {}
    Block& operator=(Block&& other) noexcept {
      if (this != &other) {
        release();
        pool_ = other.pool_;
        bytes_ = std::move(other.bytes_);
      }
      return *this;
    }
    ~Block() { release(); }

    explicit operator bool() const { return bytes_ != nullptr; }
    std::span<char> bytes() const { return {bytes_.get(), pool_->block_bytes_}; }
    [[gnu::always_inline]] void release() {
      if (bytes_) [[unlikely]]
        pool_->take_back(std::move(bytes_));  // many ask, few hold one
    }

   private:
    friend class BufferPool;
    Block(BufferPool* pool, std::unique_ptr<char[]> bytes)
        : pool_(pool), bytes_(std::move(bytes)) {}
    BufferPool* pool_ = nullptr;
    std::unique_ptr<char[]> bytes_;
  };

  /// Keeps at most `most_idle` blocks for later; more are freed as they come back. By default as
  /// much as the kernel sends at once: a call costs more than what it moves below that.
  explicit BufferPool(std::size_t block_bytes = 64 * 1024, std::size_t most_idle = 128)
      : block_bytes_(block_bytes), most_idle_(most_idle) {}

  Block take() {
    ++lent_;
    if (idle_.empty()) return Block(this, std::make_unique_for_overwrite<char[]>(block_bytes_));
    Block block(this, std::move(idle_.back()));
    idle_.pop_back();
    return block;
  }
  std::size_t block_bytes() const { return block_bytes_; }
  /// Blocks on loan now.
  std::size_t lent() const { return lent_; }

 private:
  void take_back(std::unique_ptr<char[]> bytes) {
    --lent_;
    if (idle_.size() < most_idle_) idle_.push_back(std::move(bytes));
  }

  std::size_t block_bytes_;
  std::size_t most_idle_;
  std::size_t lent_ = 0;
  std::vector<std::unique_ptr<char[]>> idle_;
};

}  // namespace gatehouse::net
