#include "core/base/give_way.hpp"

#include <sys/resource.h>

#include <algorithm>

#include "core/base/short_turns.hpp"

namespace gatehouse {

namespace {

void go_back(int steps) {
  // Linux keeps this value by thread, and 0 is the one that calls.
  constexpr int last = 19;
  const int now = ::getpriority(PRIO_PROCESS, 0);
  ::setpriority(PRIO_PROCESS, 0, std::min(now + steps, last));  // never refused: it goes down
  take_short_turns(background_turn);
}

}  // namespace

void give_way() { go_back(15); }
void step_back() { go_back(5); }

}  // namespace gatehouse
