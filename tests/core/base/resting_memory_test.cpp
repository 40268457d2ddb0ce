#include "core/base/resting_memory.hpp"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace resting_memory_test {

using gatehouse::RestingMemory;

constexpr std::size_t page = 4096;

/// How many of its pages the kernel holds.
std::size_t pages_held(const RestingMemory& memory) {
  unsigned char held[RestingMemory::bytes / page];
  REQUIRE(::mincore(memory.begin(), RestingMemory::bytes, held) == 0);
  return static_cast<std::size_t>(std::count_if(std::begin(held), std::end(held),
                                                [](unsigned char at) { return (at & 1) != 0; }));
}

std::string_view all_of(const RestingMemory& memory) {
  return {memory.begin(), RestingMemory::bytes};
}

TEST_CASE("what was there is there again, and takes no page meanwhile") {
  std::mt19937 random(3);
  RestingMemory memory;
  CHECK(all_of(memory) == std::string(RestingMemory::bytes, '\0'));
  for (int round = 0; round < 50; ++round) {
    if (round % 5 == 0) std::memset(memory.begin(), 0, RestingMemory::bytes);
    for (int i = 0; i < 30; ++i) {
      const std::size_t at = random() % RestingMemory::bytes;
      const std::size_t length = std::min<std::size_t>(random() % 24, RestingMemory::bytes - at);
      std::memset(memory.begin() + at, static_cast<int>(random() % 3), length);
    }
    if (round % 10 == 0) {  // both ends
      memory.begin()[0] = 'a';
      memory.begin()[RestingMemory::bytes - 1] = 'z';
    }
    if (round == 30) std::memset(memory.begin(), 0, RestingMemory::bytes);  // nothing to set aside
    const std::string before(all_of(memory));
    CHECK(pages_held(memory) > 0);
    memory.rest();
    CHECK(memory.resting());
    CHECK(pages_held(memory) == 0);
    memory.rest();
    memory.wake();
    CHECK_FALSE(memory.resting());
    CHECK(all_of(memory) == before);
    memory.wake();
    CHECK(all_of(memory) == before);
  }
}

TEST_CASE("full memory stays awake") {
  RestingMemory memory;
  std::memset(memory.begin(), 'x', RestingMemory::bytes / 2);
  memory.rest();
  CHECK_FALSE(memory.resting());
  CHECK(memory.begin()[RestingMemory::bytes / 2 - 1] == 'x');
}

TEST_CASE("what others left in it is gone, however it ended") {
  for (const bool resting : {false, true}) {
    std::set<char*> used;
    for (int i = 0; i < 3; ++i) {
      RestingMemory memory;
      used.insert(memory.begin());
      CHECK(all_of(memory) == std::string(RestingMemory::bytes, '\0'));
      std::memset(memory.begin() + 100, 'x', 200);
      std::memset(memory.begin() + 5 * page, 'y', 1);
      if (resting) memory.rest();
    }
    CHECK(used.size() == 1);
  }
}

TEST_CASE("each has its own, and many that ended at once keep few pages") {
  constexpr std::size_t many = 300;
  std::vector<std::unique_ptr<RestingMemory>> all;
  std::set<char*> places;
  for (std::size_t i = 0; i < many; ++i) {
    all.push_back(std::make_unique<RestingMemory>());
    std::memcpy(all.back()->begin() + 8, &i, sizeof i);
    places.insert(all.back()->begin());
    CHECK(all.back()->holds(all.back()->begin() + RestingMemory::bytes - 1));
    CHECK_FALSE(all.back()->holds(all.back()->begin() + RestingMemory::bytes));
    CHECK_FALSE(all.front()->holds(i == 0 ? nullptr : all.back()->begin()));
  }
  CHECK(places.size() == many);
  for (std::size_t i = 0; i < many; ++i) {
    std::size_t written = 0;
    std::memcpy(&written, all[i]->begin() + 8, sizeof written);
    REQUIRE(written == i);
  }
  all.clear();
  std::size_t held = 0;
  for (char* const place : places) {
    unsigned char first = 0;
    REQUIRE(::mincore(place, page, &first) == 0);
    held += first & 1;
  }
  CHECK(held <= 64);
  CHECK(held > 0);  // those are what is taken next
  const RestingMemory next;
  unsigned char first = 0;
  REQUIRE(::mincore(next.begin(), page, &first) == 0);
  CHECK((first & 1) != 0);
}

TEST_CASE("what a thread leaves goes to the next one that needs it") {
  char* left = nullptr;
  std::thread([&] { left = RestingMemory().begin(); }).join();
  bool found = false;
  std::thread([&] {
    std::vector<std::unique_ptr<RestingMemory>> all;
    for (int i = 0; i < 1000 && !found; ++i) {
      all.push_back(std::make_unique<RestingMemory>());
      found = all.back()->begin() == left;
    }
  }).join();
  CHECK(found);
}

}  // namespace resting_memory_test
