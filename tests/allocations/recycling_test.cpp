#include "core/base/recycling.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "tests/allocations/counted.hpp"

namespace recycling_test {

using namespace gatehouse;
using gatehouse::test::allocations_of_this_thread;

namespace {

struct Pieces {
  Pieces(std::size_t count, std::size_t size) : bytes(size) {
    all.reserve(count);
    const std::uint64_t before = allocations_of_this_thread();
    for (std::size_t i = 0; i < count; ++i) all.push_back(take_recycled(bytes));
    allocated = allocations_of_this_thread() - before;
  }
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;
  ~Pieces() {
    for (void* piece : all) give_recycled(piece, bytes);
  }
  std::size_t bytes;
  std::vector<void*> all;
  std::uint64_t allocated = 0;
};

/// Takes pieces of that size as long as the thread has some; the last one is a new one.
std::size_t drain(std::size_t bytes, std::vector<std::unique_ptr<Pieces>>& into) {
  std::size_t kept = 0;
  for (;;) {
    into.push_back(std::make_unique<Pieces>(1, bytes));
    if (into.back()->allocated != 0) return kept;
    kept += bytes;
  }
}

}  // namespace

TEST_CASE("a thread keeps what the next one needs, and no more than two mebibytes of all sizes") {
  const RecyclingThread recycling;
  { const Pieces few(64, 2048); }
  CHECK(Pieces(64, 2048).allocated == 0);
  for (const std::size_t bytes : {4096, 1024, 256, 64}) {
    const Pieces many(8192, bytes);
  }
  std::vector<std::unique_ptr<Pieces>> held;
  std::size_t kept = 0;
  for (const std::size_t bytes : {4096, 2048, 1024, 256, 64}) kept += drain(bytes, held);
  CHECK(kept > 0);
  CHECK(kept <= 2 * 1024 * 1024);
}

TEST_CASE("a thread that is not said to keep memory keeps none") {
  { const Pieces few(64, 2048); }
  CHECK(Pieces(64, 2048).allocated == 64);
  {
    const RecyclingThread recycling;
    { const Pieces few(64, 2048); }
    CHECK(Pieces(64, 2048).allocated == 0);
  }
  CHECK(Pieces(64, 2048).allocated == 64);
}

}  // namespace recycling_test
