#pragma once

#include <chrono>

namespace gatehouse {

/// This thread asks the scheduler for turns of this length in the place of milliseconds, and so
/// gets one soon after it was woken, even from whoever is in the middle of a longer one: for
/// threads whose work takes microseconds while somebody waits for it. Its share of the CPU stays
/// what it is. From 0.1 ms to 100 ms, else without effect; from Linux 6.12 on, before that without
/// effect. For threads of the ordinary policy; another one is an operator's wish.
void take_short_turns(std::chrono::microseconds length);

/// Of threads that serve: the shortest that Linux has.
inline constexpr std::chrono::microseconds serving_turn{100};
/// Of threads that give way: longer, because whoever is woken takes the CPU from nobody whose turns
/// are as short as its own, and waits for the next tick of the clock then (4 ms, with 250 ticks a
/// second); not much longer, because a long turn of a small share comes late, and is in the way
/// for milliseconds then.
inline constexpr std::chrono::microseconds background_turn{400};

}  // namespace gatehouse
