#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/base/entropy.hpp"

namespace gatehouse {

/// SipHash-2-4: a hash whose collisions nobody can choose who does not know the key. For tables
/// that are keyed by what clients send.
class KeyedHash {
 public:
  explicit KeyedHash(Entropy& entropy);
  explicit KeyedHash(std::array<std::uint64_t, 2> key) : key_(key) {}

  std::uint64_t operator()(std::string_view octets) const;

 private:
  std::array<std::uint64_t, 2> key_;
};

}  // namespace gatehouse
