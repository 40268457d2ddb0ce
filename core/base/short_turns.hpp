#pragma once

namespace gatehouse {

/// This thread asks the scheduler for turns of a tenth of a millisecond in the place of
/// milliseconds, and so gets one soon after it was woken, even from whoever is in the middle of a
/// longer one: for threads whose work takes microseconds while somebody waits for it. Its share of
/// the CPU stays what it is. From Linux 6.12 on, before that without effect. For threads of the
/// ordinary policy; another one is an operator's wish.
void take_short_turns();

}  // namespace gatehouse
