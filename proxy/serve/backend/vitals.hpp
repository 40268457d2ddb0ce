#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "core/base/clock.hpp"

namespace gatehouse::serve::backend {

/// When a server that fails under requests is put aside.
struct EjectRules {
  std::uint32_t failures = 5;
  std::chrono::milliseconds within{10'000};
  std::chrono::milliseconds for_{10'000};
  double max_share = 0.5;
};

/// What all threads know of one server: written when something changes, read without a lock. It
/// belongs to the server's identity and so survives reloads.
class Vitals {
 public:
  // --- active checks: written by the control thread alone
  void down(bool down, Steady now);
  bool down() const { return down_.load(std::memory_order_relaxed); }

  // --- ejection: any worker
  /// Counts a failure; true: there were as many within the window as the rules stand for.
  bool failed(const EjectRules& rules, Steady now);
  void eject(Steady until);
  enum class Ejection : std::uint8_t { none, out, half_open };
  Ejection ejection(Steady now) const;
  /// Half open, one request may find out whether the server has recovered: true for whoever is
  /// first. Another may when `again` has come and nothing was heard of the first.
  bool claim_probe(Steady now, Steady again);
  /// The server answered: an ejection ends. True: there was one.
  bool recovered(Steady now);
  Steady ejected_until() const;

  // --- slow start
  void back(Steady now);
  /// In percent of its weight, what a server is sent so long after it came back.
  std::uint32_t share_percent(std::chrono::milliseconds slow_start, Steady now) const;

  // --- max_requests: all workers together
  bool take_slot(std::uint32_t most);
  void give_slot() { slots_.fetch_sub(1, std::memory_order_acq_rel); }
  std::uint32_t slots() const { return slots_.load(std::memory_order_acquire); }

 private:
  using Count = Steady::duration::rep;
  std::atomic<bool> down_{false};
  std::atomic<Count> ejected_until_{0};   // 0: not ejected
  std::atomic<Count> back_since_{0};      // 0: long ago
  std::atomic<std::uint64_t> window_{0};  // of failures: see failed()
  std::atomic<std::uint32_t> slots_{0};
};

}  // namespace gatehouse::serve::backend
