#pragma once

#include <cstddef>

namespace gatehouse {

/// How much a loop moves before others on its worker have their turn: where both ends are faster
/// than we are, nothing in it ever waits.
class FairShare {
 public:
  /// True when others are due: `co_await asio::post(asio::use_awaitable)`.
  bool used_up(std::size_t bytes) {
    since_ += bytes;
    if (since_ < most) return false;
    since_ = 0;
    return true;
  }

 private:
  static constexpr std::size_t most = 1024 * 1024;
  std::size_t since_ = 0;
};

}  // namespace gatehouse
