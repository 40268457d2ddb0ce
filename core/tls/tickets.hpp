#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/entropy.hpp"
#include "core/base/error.hpp"
#include "core/tls/secret.hpp"

namespace gatehouse::tls {

/// The session-ticket key ring shared by all workers. A new key every 12 hours, the next one made
/// ahead (so that other nodes have it before its time), two old ones kept for decryption. Bound to
/// the policy: what encrypts a ticket is derived from the key and the policy's id, so that a
/// ticket of one policy never resumes another. Any thread may read; rotate() and adopt() belong to
/// one thread. Rings are immutable and have a number: who remembers one asks generation() whether
/// it is still the one, and takes the lock of ring() only after a rotation.
class TicketKeys {
 public:
  static constexpr std::chrono::hours rotation{12};
  /// How long a ticket may be used: its key is there for at least twice as long.
  static constexpr std::chrono::hours ticket_life{12};

  struct Key {
    Wall from;      // when it becomes the current one
    Secret secret;  // 32 octets
  };
  /// Oldest first.
  struct Ring {
    std::vector<Key> keys;
    std::size_t current = 0;
    std::uint64_t generation = 0;
  };

  /// A fresh ring. `entropy` outlives it.
  TicketKeys(Entropy& entropy, Wall now);
  /// A stored one, moved on to `now`.
  static Result<std::shared_ptr<TicketKeys>> from_text(std::string_view text, Entropy& entropy,
                                                       Wall now);

  /// Makes the key current whose time has come. True: the ring changed and wants to be stored.
  bool rotate(Wall now);
  /// Takes over the ring another node stored.
  Result<void> adopt(std::string_view text, Wall now);
  /// When to call rotate() next.
  Wall next_rotation() const;
  /// Secret: to be stored sealed or with mode 0600. One line a key.
  std::string to_text() const;
  std::shared_ptr<const Ring> ring() const {
    const std::lock_guard turn(mutex_);
    return ring_;
  }
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  explicit TicketKeys(Entropy& entropy) : entropy_(entropy) {}
  static Result<std::vector<Key>> parse(std::string_view text);
  bool move_on(std::vector<Key> keys, Wall now);

  Entropy& entropy_;
  mutable std::mutex mutex_;  // guards ring_
  std::shared_ptr<const Ring> ring_;
  std::atomic<std::uint64_t> generation_{0};
};

}  // namespace gatehouse::tls
