#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace gatehouse {

/// Random octets from outside, so that tests can fix them. Any thread may call it.
class Entropy {
 public:
  virtual ~Entropy() = default;
  virtual void fill(std::span<char> octets) = 0;

  std::string octets(std::size_t count);
  /// Uniform in [0, bound). Requires: bound > 0.
  std::uint64_t below(std::uint64_t bound);
};

/// The kernel's generator (getrandom).
class SystemEntropy final : public Entropy {
 public:
  void fill(std::span<char> octets) override;
};

}  // namespace gatehouse
