#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/base/clock.hpp"

namespace gatehouse::http {

/// Why an HTTP/2 connection was ended for costing more than it is worth.
enum class H2Abuse : std::uint8_t {
  none,
  rapid_reset,         // streams opened and cancelled (CVE-2023-44487)
  provoked_reset,      // streams that break the rules so that we reset them (CVE-2025-8671)
  continuation_flood,  // header blocks without end (CVE-2024-27316)
  header_bomb,         // header blocks far past every limit (CVE-2016-1544)
  settings_flood,      // CVE-2019-9515
  ping_flood,          // CVE-2019-9512
  priority_flood,      // CVE-2019-9513, PRIORITY_UPDATE too
  window_update_flood,
  empty_frames,  // CVE-2019-9518
  unknown_frames,
  control_flood,  // makes answers pile up without reading them (CVE-2019-9514)
};
/// A fixed word for logs and metrics.
std::string_view name(H2Abuse abuse);

/// Events of one kind: so many at once, and so many a second after that.
class TokenBucket {
 public:
  constexpr TokenBucket(double most, double per_second)
      : most_(most), per_second_(per_second), left_(most) {}
  /// False: there were too many.
  bool take(Steady now);
  /// Earned by useful work, past which the event is to be expected.
  void give(double tokens) { left_ = left_ + tokens < most_ ? left_ + tokens : most_; }

 private:
  double most_;
  double per_second_;
  double left_;
  Steady filled_{};
};

/// What a peer makes us do besides carrying messages, held against what may be expected. One per
/// connection. Decides only: whoever asks ends the connection with ENHANCE_YOUR_CALM.
class H2Guard {
 public:
  enum class Event : std::uint8_t {
    peer_reset,  // RST_STREAM came in
    own_reset,   // we reset a stream that broke the rules
    settings,    // SETTINGS, acknowledgements not counted
    ping,        // PING, acknowledgements not counted
    priority,    // PRIORITY or PRIORITY_UPDATE
    window_update,
    empty_frame,  // DATA or a header block without octets and without an end
    unknown_frame,
  };

  H2Abuse saw(Event event, Steady now);
  /// A DATA frame moved, either way: window updates and pings come with those.
  void moved_data();
  /// Called at every begin of a header block and every CONTINUATION.
  void header_block_began() { continuations_ = 0; }
  H2Abuse saw_continuation(std::size_t octets, Steady now);

 private:
  static constexpr unsigned most_continuations = 8;
  std::array<TokenBucket, 8> buckets_{
      TokenBucket(500, 33),    // peer_reset: a page with hundreds of resources left behind
      TokenBucket(100, 10),    // own_reset
      TokenBucket(30, 10),     // settings
      TokenBucket(100, 10),    // ping
      TokenBucket(500, 50),    // priority
      TokenBucket(1000, 100),  // window_update
      TokenBucket(100, 10),    // empty_frame
      TokenBucket(100, 10),    // unknown_frame
  };
  unsigned continuations_ = 0;
};

}  // namespace gatehouse::http
