#include "core/http/h2_abuse.hpp"

#include <algorithm>

namespace gatehouse::http {

std::string_view name(H2Abuse abuse) {
  switch (abuse) {
    case H2Abuse::none:
      return "none";
    case H2Abuse::rapid_reset:
      return "h2_rapid_reset";
    case H2Abuse::provoked_reset:
      return "h2_provoked_reset";
    case H2Abuse::continuation_flood:
      return "h2_continuation_flood";
    case H2Abuse::header_bomb:
      return "h2_header_bomb";
    case H2Abuse::settings_flood:
      return "h2_settings_flood";
    case H2Abuse::ping_flood:
      return "h2_ping_flood";
    case H2Abuse::priority_flood:
      return "h2_priority_flood";
    case H2Abuse::window_update_flood:
      return "h2_window_update_flood";
    case H2Abuse::empty_frames:
      return "h2_empty_frames";
    case H2Abuse::unknown_frames:
      return "h2_unknown_frames";
    case H2Abuse::control_flood:
      return "h2_control_flood";
  }
  return "none";
}

bool TokenBucket::take(Steady now) {
  if (filled_ != Steady{} && now > filled_) {
    give(per_second_ * std::chrono::duration<double>(now - filled_).count());
  }
  filled_ = now;
  if (left_ < 1) return false;
  left_ -= 1;
  return true;
}

namespace {

H2Abuse abuse_of(H2Guard::Event event) {
  switch (event) {
    case H2Guard::Event::peer_reset:
      return H2Abuse::rapid_reset;
    case H2Guard::Event::own_reset:
      return H2Abuse::provoked_reset;
    case H2Guard::Event::settings:
      return H2Abuse::settings_flood;
    case H2Guard::Event::ping:
      return H2Abuse::ping_flood;
    case H2Guard::Event::priority:
      return H2Abuse::priority_flood;
    case H2Guard::Event::window_update:
      return H2Abuse::window_update_flood;
    case H2Guard::Event::empty_frame:
      return H2Abuse::empty_frames;
    case H2Guard::Event::unknown_frame:
      return H2Abuse::unknown_frames;
  }
  return H2Abuse::none;
}

}  // namespace

H2Abuse H2Guard::saw(Event event, Steady now) {
  const bool within = buckets_[static_cast<std::size_t>(event)].take(now);
  return within ? H2Abuse::none : abuse_of(event);
}

void H2Guard::moved_data() {
  // One update for the stream and one for the connection, and room for receivers that are eager.
  buckets_[static_cast<std::size_t>(Event::window_update)].give(4);
  buckets_[static_cast<std::size_t>(Event::ping)].give(1);
}

H2Abuse H2Guard::saw_continuation(std::size_t octets, Steady now) {
  if (++continuations_ > most_continuations) return H2Abuse::continuation_flood;
  return octets == 0 ? saw(Event::empty_frame, now) : H2Abuse::none;
}

}  // namespace gatehouse::http
