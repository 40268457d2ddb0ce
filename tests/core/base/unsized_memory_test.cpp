#include "core/base/unsized_memory.hpp"

#include <doctest/doctest.h>
#include <malloc.h>

#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "core/base/recycling.hpp"
#include "core/base/sanitized.hpp"

namespace gatehouse::test::unsized_memory_test {
namespace {

struct Piece {
  unsigned char* memory = nullptr;
  std::size_t size = 0;
  unsigned char mark = 0;
};

bool whole(const Piece& piece) {
  for (std::size_t i = 0; i < piece.size; ++i) {
    if (piece.memory[i] != piece.mark) return false;
  }
  return true;
}

/// Takes and gives back at random; nobody's memory is anybody else's.
void churn(unsigned seed) {
  std::mt19937 dice(seed);
  std::vector<Piece> all(200);
  std::size_t wrong = 0;
  for (int round = 0; round < 20'000; ++round) {
    Piece& piece = all[dice() % all.size()];
    if (!whole(piece)) ++wrong;
    give_unsized(piece.memory);
    const std::size_t most = dice() % 10 == 0 ? 40'000 : 700;
    piece.size = 1 + dice() % most;
    piece.mark = static_cast<unsigned char>(dice());
    piece.memory = static_cast<unsigned char*>(take_unsized(piece.size));
    REQUIRE(piece.memory != nullptr);
    if (malloc_usable_size(piece.memory) < piece.size) ++wrong;
    std::memset(piece.memory, piece.mark, piece.size);
  }
  for (const Piece& piece : all) give_unsized(piece.memory);
  CHECK(wrong == 0);
}

TEST_CASE("memory without a size is as large as was asked for, and nobody else's") {
  churn(1);
  const RecyclingThread recycling;
  churn(2);
}

TEST_CASE("nothing is asked for, and nothing given back") {
  const RecyclingThread recycling;
  CHECK(take_unsized(0) == nullptr);
  give_unsized(nullptr);
}

TEST_CASE("one thread gives back what another has taken") {
  void* taken = nullptr;
  std::thread([&] {
    const RecyclingThread recycling;
    taken = take_unsized(100);
    std::memset(taken, 7, 100);
  }).join();
  const RecyclingThread recycling;
  CHECK(*static_cast<unsigned char*>(taken) == 7);
  const std::size_t room = malloc_usable_size(taken);
  give_unsized(taken);
  void* const again = take_unsized(room);
#ifndef GATEHOUSE_SANITIZED
  CHECK(again == taken);  // kept for the next one
#endif
  give_unsized(again);
}

}  // namespace
}  // namespace gatehouse::test::unsized_memory_test
