#include "proxy/serve/backend/balance.hpp"

#include <doctest/doctest.h>

#include <array>
#include <random>
#include <vector>

using namespace gatehouse;
using namespace gatehouse::serve::backend;
using namespace std::chrono_literals;

namespace {

const Steady now = Steady(std::chrono::hours(1));

Standing server(std::uint32_t in_flight = 0, std::uint32_t weight = 1) {
  Standing out;
  out.in_flight = in_flight;
  out.weight = weight;
  return out;
}

Random seeded() {
  return [generator = std::mt19937_64(7)]() mutable { return generator(); };
}

std::vector<int> shares(const std::vector<Standing>& table, int requests) {
  std::vector<int> out(table.size());
  const Random random = seeded();
  for (int i = 0; i < requests; ++i) ++out[two_choices(table, now, random).value()];
  return out;
}

}  // namespace

TEST_CASE("equal and idle servers share requests evenly") {
  for (const int share : shares({server(), server(), server(), server()}, 8000)) {
    CHECK(share > 1800);
    CHECK(share < 2200);
  }
}

TEST_CASE("idle servers share requests by weight") {
  const auto got = shares({server(0, 1), server(0, 3)}, 8000);
  CHECK(got[0] > 1800);
  CHECK(got[0] < 2200);
}

TEST_CASE("of two servers the one with fewer requests in flight is taken") {
  CHECK(shares({server(5), server(4)}, 100) == std::vector<int>{0, 100});
}

TEST_CASE("load is judged by weight") {
  CHECK(shares({server(5, 10), server(1, 1)}, 100) == std::vector<int>{100, 0});
}

TEST_CASE("the most loaded of many servers is never taken") {
  const auto got = shares({server(1), server(9), server(1), server(1)}, 1000);
  CHECK(got[1] == 0);
}

TEST_CASE("a server that failed just now is passed over until its time is up") {
  std::vector<Standing> table = {server(), server(50)};
  table[0].avoid_until = now + 1ms;
  CHECK(shares(table, 100) == std::vector<int>{0, 100});
  table[0].avoid_until = now;
  CHECK(shares(table, 100) == std::vector<int>{100, 0});
}

TEST_CASE("when all servers are to be avoided one is tried all the same") {
  std::vector<Standing> table = {server(), server()};
  for (Standing& each : table) each.avoid_until = now + 1s;
  const auto got = shares(table, 100);
  CHECK(got[0] > 0);
  CHECK(got[1] > 0);
}

TEST_CASE("a backup waits until no other server is left") {
  std::vector<Standing> table = {server(100), server()};
  table[1].backup = true;
  CHECK(shares(table, 10) == std::vector<int>{10, 0});
  SUBCASE("the others failed") { table[0].avoid_until = now + 1s; }
  SUBCASE("the others were tried") { table[0].tried = true; }
  CHECK(shares(table, 10) == std::vector<int>{0, 10});
}

TEST_CASE("a request is never sent to a server it tried") {
  std::vector<Standing> table = {server(), server()};
  table[0].tried = true;
  table[1].avoid_until = now + 1s;
  CHECK(two_choices(table, now, seeded()) == 1);
  table[1].tried = true;
  CHECK(two_choices(table, now, seeded()) == std::nullopt);
  CHECK(two_choices({}, now, seeded()) == std::nullopt);
}

TEST_CASE("a failing server is passed over twice as long each time, up to ten seconds") {
  CHECK(avoidance(0) == 0ms);
  CHECK(avoidance(1) == 250ms);
  CHECK(avoidance(2) == 500ms);
  CHECK(avoidance(3) == 1s);
  CHECK(avoidance(7) == 10s);
  CHECK(avoidance(4'000'000'000u) == 10s);
}
