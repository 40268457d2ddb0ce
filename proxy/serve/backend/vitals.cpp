#include "proxy/serve/backend/vitals.hpp"

#include <algorithm>

namespace gatehouse::serve::backend {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

/// Failures of the window that runs and of the one before, in one word: number of the window (24
/// bits, wrapping), count before, count now (20 bits each: `failures` is at most a million).
struct Window {
  static constexpr std::uint64_t count_mask = (1U << 20) - 1;
  static constexpr std::uint64_t number_mask = (1U << 24) - 1;
  std::uint64_t number = 0;
  std::uint64_t before = 0;
  std::uint64_t now = 0;

  static Window unpacked(std::uint64_t word) {
    return {word >> 40, word >> 20 & count_mask, word & count_mask};
  }
  std::uint64_t packed() const { return number << 40 | before << 20 | now; }
  void move_to(std::uint64_t next) {
    if (next == number) return;
    before = next == ((number + 1) & number_mask) ? now : 0;
    now = 0;
    number = next;
  }
};

}  // namespace

void Vitals::down(bool down, Steady now) {
  const bool was = down_.exchange(down, relaxed);
  if (was && !down) back(now);
}

/// The window slides: of the one before counts the part that is still within.
bool Vitals::failed(const EjectRules& rules, Steady now) {
  const auto length = std::max<Steady::duration>(rules.within, std::chrono::milliseconds(1));
  const auto since = now.time_since_epoch();
  const auto number = static_cast<std::uint64_t>(since / length) & Window::number_mask;
  const double left =
      1.0 - static_cast<double>((since % length).count()) / static_cast<double>(length.count());
  std::uint64_t seen = window_.load(relaxed);
  Window window;
  do {
    window = Window::unpacked(seen);
    window.move_to(number);
    window.now = std::min(window.now + 1, Window::count_mask);
  } while (!window_.compare_exchange_weak(seen, window.packed(), relaxed));
  const double counted =
      static_cast<double>(window.now) + left * static_cast<double>(window.before);
  return counted >= rules.failures;
}

void Vitals::eject(Steady until) {
  window_.store(0, relaxed);
  ejected_until_.store(until.time_since_epoch().count(), relaxed);
}

Vitals::Ejection Vitals::ejection(Steady now) const {
  const Count until = ejected_until_.load(relaxed);
  if (until == 0) return Ejection::none;
  return now.time_since_epoch().count() < until ? Ejection::out : Ejection::half_open;
}

bool Vitals::claim_probe(Steady now, Steady again) {
  Count until = ejected_until_.load(relaxed);
  if (until == 0 || now.time_since_epoch().count() < until) return false;
  return ejected_until_.compare_exchange_strong(until, again.time_since_epoch().count(), relaxed);
}

bool Vitals::recovered(Steady now) {
  if (ejected_until_.load(relaxed) == 0) return false;
  if (ejected_until_.exchange(0, relaxed) == 0) return false;
  back(now);
  return true;
}

Steady Vitals::ejected_until() const {
  return Steady(Steady::duration(ejected_until_.load(relaxed)));
}

void Vitals::back(Steady now) { back_since_.store(now.time_since_epoch().count(), relaxed); }

std::uint32_t Vitals::share_percent(std::chrono::milliseconds slow_start, Steady now) const {
  constexpr std::uint32_t least = 10;  // without any request a server never warms up
  const Count since = back_since_.load(relaxed);
  if (slow_start.count() == 0 || since == 0) return 100;
  const auto gone = now - Steady(Steady::duration(since));
  if (gone >= slow_start) return 100;
  const auto length = std::chrono::duration_cast<Steady::duration>(slow_start);
  const auto percent =
      static_cast<std::uint32_t>(std::max<Count>(gone.count(), 0) * 100 / length.count());
  return std::max(percent, least);
}

bool Vitals::take_slot(std::uint32_t most) {
  std::uint32_t taken = slots_.load(std::memory_order_acquire);
  while (taken < most) {
    if (slots_.compare_exchange_weak(taken, taken + 1, std::memory_order_acq_rel)) return true;
  }
  return false;
}

}  // namespace gatehouse::serve::backend
