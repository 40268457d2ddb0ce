#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/clock.hpp"

namespace gatehouse::acme {

/// The anti-replay nonces of one CA (RFC 8555 §6.5), newest first: the older one is, the likelier
/// the CA has forgotten it. A nonce that was taken is spent, whatever became of its request.
class NoncePool {
 public:
  static constexpr std::size_t most = 10;
  static constexpr std::chrono::minutes most_age{5};

  void put(std::string nonce, Steady now) {
    if (nonces_.size() == most) nonces_.erase(nonces_.begin());
    nonces_.emplace_back(std::move(nonce), now);
  }
  std::optional<std::string> take(Steady now) {
    if (nonces_.empty()) return std::nullopt;
    auto [nonce, since] = std::move(nonces_.back());
    nonces_.pop_back();
    if (now - since <= most_age) return std::move(nonce);
    nonces_.clear();  // all others are older still
    return std::nullopt;
  }
  void clear() { nonces_.clear(); }
  std::size_t size() const { return nonces_.size(); }

 private:
  std::vector<std::pair<std::string, Steady>> nonces_;
};

}  // namespace gatehouse::acme
