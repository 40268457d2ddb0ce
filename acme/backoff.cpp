#include "acme/backoff.hpp"

#include <algorithm>
#include <array>

namespace gatehouse::acme {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;

// How often each wait is taken before the next longer one; the last is repeated for ever.
struct Rung {
  seconds wait;
  std::uint32_t times;
};
constexpr std::array<Rung, 10> ladder{{{1min, 1},
                                       {2min, 2},
                                       {5min, 1},
                                       {10min, 3},
                                       {20min, 4},
                                       {30min, 6},
                                       {1h, 3},
                                       {2h, 2},
                                       {3h, 2},
                                       {6h, 1}}};

constexpr std::uint32_t quick_tries_when_permanent = 3;
constexpr seconds permanent_wait = 24h;
constexpr seconds unnamed_limit_wait = 1h;  // a rate limit without a time

}  // namespace

seconds ladder_step(std::uint32_t attempts) {
  std::uint32_t passed = 0;
  for (const Rung& rung : ladder) {
    passed += rung.times;
    if (attempts <= passed) return rung.wait;
  }
  return ladder.back().wait;
}

seconds spread(seconds value, double share, Entropy& entropy) {
  const auto width = static_cast<std::uint64_t>(static_cast<double>(value.count()) * share * 2);
  if (width == 0) return value;
  const auto moved = static_cast<std::int64_t>(entropy.below(width + 1));
  return value - seconds(width / 2) + seconds(moved);
}

Backoff after_failure(const Backoff& before, const IssueFailure& failure, Wall now,
                      Entropy& entropy) {
  Backoff after = before;
  after.attempts = before.attempts + 1;
  if (before.attempts == 0) after.first_failure = now;
  after.last_failure = now;
  after.permanent = failure.retry == Retry::permanent;
  after.problem = failure.problem;
  after.detail = failure.detail;
  const seconds step = ladder_step(after.attempts);
  switch (failure.retry) {
    case Retry::now:
    case Retry::later:
      after.next_attempt = now + spread(step, 0.2, entropy);
      break;
    case Retry::at_time: {
      const Wall named = failure.not_before > now ? failure.not_before : now + unnamed_limit_wait;
      after.next_attempt = named + seconds(entropy.below(60));
      break;
    }
    case Retry::permanent:
      after.next_attempt = after.attempts < quick_tries_when_permanent
                               ? now + spread(step, 0.2, entropy)
                               : now + permanent_wait + spread(1h, 0.2, entropy);
      break;
  }
  return after;
}

}  // namespace gatehouse::acme
