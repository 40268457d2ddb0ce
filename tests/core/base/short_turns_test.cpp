#include "core/base/short_turns.hpp"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <thread>

namespace gatehouse::short_turns_test {
namespace {

/// sched_getattr(2) of this thread.
struct Attributes {
  std::uint32_t size = sizeof(Attributes);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0;
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;

  static Attributes now() {
    Attributes out;
    REQUIRE(::syscall(SYS_sched_getattr, 0, &out, sizeof out, 0) == 0);
    return out;
  }
};

/// On a thread of its own, which takes its attributes along.
template <class Function>
void aside(Function function) {
  std::thread(function).join();
}

TEST_CASE("short turns change the length of a turn and nothing else") {
  aside([] {
    REQUIRE(::nice(3) != -1);
    const Attributes before = Attributes::now();
    take_short_turns();
    const Attributes after = Attributes::now();
    CHECK(after.policy == before.policy);
    CHECK(after.nice == before.nice);
    CHECK(after.priority == before.priority);
    // A kernel that does not know of turns tells 0, before and after.
    CHECK(after.runtime == (before.runtime == 0 ? 0 : 100'000));
  });
}

TEST_CASE("a policy that somebody chose stays") {
  aside([] {
    const sched_param none{};
    REQUIRE(::sched_setscheduler(0, SCHED_BATCH, &none) == 0);
    const Attributes before = Attributes::now();
    take_short_turns();
    CHECK(Attributes::now().policy == SCHED_BATCH);
    CHECK(Attributes::now().runtime == before.runtime);
  });
}

}  // namespace
}  // namespace gatehouse::short_turns_test
