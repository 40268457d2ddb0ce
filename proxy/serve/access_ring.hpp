#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/serve/line_text.hpp"

namespace gatehouse::serve {

/// Finished lines, end to end, on their way from the workers to the writer: one ring a worker, one
/// reader and one writer each, no lock. A full ring drops the line; the worker goes on.
class AccessRing {
 public:
  /// Rung by a worker that has a line while the writer sleeps.
  struct Bell {
    std::atomic<std::uint32_t> asleep{0};
    void ring();
  };
  /// `octets`: what it holds at least; memory is taken as it fills.
  AccessRing(std::shared_ptr<Bell> bell, std::string hash_key, std::size_t octets = 1 << 20);

  /// Worker only. False: no room for all of it, the line is lost.
  bool put(std::string_view line);
  /// Writer only. All lines that are there, end to end in these two; what they point at stays until
  /// taken().
  using Pieces = std::array<std::string_view, 2>;
  Pieces lines();
  void taken() { read_.store(seen_, std::memory_order_release); }
  const std::string& hash_key() const { return hash_key_; }
  /// Worker only: the line being written.
  LineText& line() { return line_; }

 private:
  std::shared_ptr<Bell> bell_;
  std::string hash_key_;
  LineText line_;
  std::size_t size_;  // a power of two
  std::unique_ptr<char[]> octets_;
  // Places are counted on and on; those before `begin_` that are not read hold nothing.
  alignas(64) std::atomic<std::size_t> read_{0};
  std::size_t seen_ = 0;  // the writer's
  alignas(64) std::atomic<std::size_t> written_{0};
  std::atomic<std::size_t> begin_{0};
};

}  // namespace gatehouse::serve
