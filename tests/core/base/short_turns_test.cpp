#include "core/base/short_turns.hpp"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <thread>

#include "core/base/give_way.hpp"

namespace gatehouse::short_turns_test {
namespace {

/// What sched_getattr(2) tells of this thread, as it lies there: size and policy, flags, nice value
/// and priority, length of a turn in ns, two more times.
using Attributes = std::array<std::uint64_t, 6>;
constexpr std::size_t turn = 3;

Attributes attributes() {
  Attributes out{};
  REQUIRE(::syscall(SYS_sched_getattr, 0, out.data(), sizeof out, 0) == 0);
  return out;
}

/// On a thread of its own, which takes its attributes along.
template <class Function>
void aside(Function function) {
  std::thread(function).join();
}

TEST_CASE("short turns change the length of a turn and nothing else") {
  aside([] {
    REQUIRE(::nice(3) != -1);
    Attributes expected = attributes();
    // A kernel that does not know of turns tells 0, before and after.
    if (expected[turn] != 0) expected[turn] = 100'000;
    take_short_turns(serving_turn);
    CHECK(attributes() == expected);
  });
}

TEST_CASE("who serves has shorter turns than who gives way") {
  // Otherwise the scheduler does not let it take the CPU from them when it is woken.
  aside([] {
    give_way();
    const std::uint64_t behind = attributes()[turn];
    take_short_turns(serving_turn);
    const std::uint64_t serving = attributes()[turn];
    CHECK((behind == 0 || serving < behind));  // 0: this kernel does not know of turns
  });
}

TEST_CASE("a policy that somebody chose stays") {
  aside([] {
    const sched_param none{};
    REQUIRE(::sched_setscheduler(0, SCHED_BATCH, &none) == 0);
    const Attributes before = attributes();
    take_short_turns(serving_turn);
    CHECK(::sched_getscheduler(0) == SCHED_BATCH);
    CHECK(attributes() == before);
  });
}

}  // namespace
}  // namespace gatehouse::short_turns_test
