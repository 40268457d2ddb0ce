#include "core/http/arrivals.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

namespace arrivals_test {

using gatehouse::http::Arrivals;
using gatehouse::net::BufferPool;

TEST_CASE("octets leave in the order in which they came") {
  BufferPool pool(1000, 4);
  Arrivals arrivals(pool);
  std::mt19937 random(7);
  std::string came;
  std::string taken;
  for (int turn = 0; turn < 2000; ++turn) {
    const std::size_t largest = turn % 3 == 0 ? 6000 : 200;
    std::string piece(random() % largest, '\0');
    for (char& c : piece) c = static_cast<char>(random());
    arrivals.append(piece);
    came += piece;
    for (auto times = random() % 4; times > 0; --times) taken += arrivals.take();
    REQUIRE(arrivals.size() == came.size() - taken.size());
    REQUIRE(arrivals.empty() == (came.size() == taken.size()));
  }
  while (!arrivals.empty()) taken += arrivals.take();
  CHECK(taken == came);
  arrivals.let_go();
  CHECK(pool.lent() == 0);
}

TEST_CASE("few octets take no block, more take those that they fill, and what was read none") {
  BufferPool pool;
  Arrivals arrivals(pool);
  arrivals.append(std::string(2000, 'a'));
  arrivals.append(std::string(2000, 'b'));
  CHECK(pool.lent() == 0);
  arrivals.append(std::string(1000, 'c'));
  CHECK(pool.lent() == 1);
  arrivals.append(std::string(2 * 64 * 1024 - 5000, 'd'));
  CHECK(pool.lent() == 2);

  const std::string_view first = arrivals.take();
  CHECK(first.size() == 64 * 1024);
  arrivals.append(std::string(100'000, 'e'));  // what was taken stays where it is
  CHECK(first.substr(0, 5000) ==
        std::string(2000, 'a') + std::string(2000, 'b') + std::string(1000, 'c'));
  CHECK(pool.lent() == 4);
  arrivals.let_go();
  CHECK(pool.lent() == 3);
  while (!arrivals.empty()) arrivals.take();
  arrivals.let_go();
  CHECK(pool.lent() == 0);
  CHECK(arrivals.take().empty());

  arrivals.append("few again");
  CHECK(pool.lent() == 0);
  CHECK(arrivals.take() == "few again");
}

TEST_CASE("who leaves a little on many streams gets few blocks for it") {
  BufferPool pool;
  std::vector<std::unique_ptr<Arrivals>> streams;
  const std::string piece(5000, 'x');
  for (int i = 0; i < 500; ++i) {
    streams.push_back(std::make_unique<Arrivals>(pool));
    streams.back()->append(piece);
    streams.back()->append("y");
  }
  CHECK(pool.lent() == 64);
  for (const auto& stream : streams) {
    REQUIRE(stream->size() == 5001);
    REQUIRE(stream->take() == piece + "y");
  }
  streams.clear();
  CHECK(pool.lent() == 0);
}

}  // namespace arrivals_test
