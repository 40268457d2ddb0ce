#pragma once

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <functional>
#include <utility>

#include "core/base/asio.hpp"

namespace gatehouse::test {

/// Has a turn on `io` whenever the others let it, and sees how far they came meanwhile. Looks until
/// nothing has moved for some turns; outlives that.
class Onlooker {
 public:
  Onlooker(asio::io_context& io, std::function<std::size_t()> moved)
      : io_(io), moved_(std::move(moved)) {
    look();
  }
  Onlooker(const Onlooker&) = delete;
  Onlooker& operator=(const Onlooker&) = delete;
  /// The longest way that was gone between two turns.
  std::size_t longest() const { return longest_; }

 private:
  static constexpr int patience = 20;  // turns
  void look() {
    const std::size_t now = moved_();
    longest_ = std::max(longest_, now - before_);
    still_ = now == before_ ? still_ + 1 : 0;
    before_ = now;
    if (still_ < patience) asio::post(io_, [this] { look(); });
  }

  asio::io_context& io_;
  std::function<std::size_t()> moved_;
  std::size_t before_ = 0;
  std::size_t longest_ = 0;
  int still_ = 0;
};

}  // namespace gatehouse::test
