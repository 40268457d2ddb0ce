#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/net/buffer_pool.hpp"

namespace gatehouse::http {

/// Octets that came before anybody read them, in their order. Few of them stand in memory of their
/// own size; more in blocks of the worker's, which are warm where fresh memory is not. On the
/// pool's worker.
class Arrivals {
 public:
  explicit Arrivals(net::BufferPool& pool) : pool_(pool) {}

  void append(std::string_view octets);
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  /// Those that came first, as many as stand together; they stay until let_go() or the next take().
  std::string_view take();
  /// What was taken is read.
  void let_go() { taken_block_.release(); }

 private:
  struct Filled {
    net::BufferPool::Block block;
    std::size_t size = 0;
  };
  void extend(std::string_view octets);

  net::BufferPool& pool_;
  std::size_t size_ = 0;
  std::string few_;  // empty where there are blocks
  std::vector<Filled> blocks_;
  std::string taken_few_;
  net::BufferPool::Block taken_block_;
};

}  // namespace gatehouse::http
