#pragma once

#include <cstdint>

namespace gatehouse::test {

/// How often the calling thread has asked for memory since it began.
std::uint64_t allocations_of_this_thread();

}  // namespace gatehouse::test
