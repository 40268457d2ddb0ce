#include "proxy/serve/backend/balance.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

namespace balance_test {

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

namespace {

std::vector<int> shares_of(Policy policy, const std::vector<Standing>& table, int requests) {
  std::vector<int> out(table.size());
  Chooser chooser(policy, seeded());
  for (int i = 0; i < requests; ++i) ++out[chooser.choose(table, now).value()];
  return out;
}

/// Servers with the hashes of names, as many as wanted.
std::vector<Standing> named_servers(std::size_t count) {
  std::vector<Standing> out;
  for (std::size_t i = 0; i < count; ++i) {
    Standing each = server();
    each.hash = stable_hash("10.0.0." + std::to_string(i) + ":8080");
    out.push_back(each);
  }
  return out;
}

std::uint64_t key_of(int client) { return stable_hash("client-" + std::to_string(client)); }

}  // namespace

TEST_CASE("in turn every server gets exactly its share, spread over the round") {
  const std::vector<Standing> table = {server(0, 1), server(0, 3), server(0, 2)};
  CHECK(shares_of(Policy::round_robin, table, 600) == std::vector<int>{100, 300, 200});
  Chooser chooser(Policy::round_robin, seeded());
  std::size_t longest = 0;
  std::size_t run = 0;
  std::size_t before = 99;
  for (int i = 0; i < 60; ++i) {
    const std::size_t chosen = chooser.choose(table, now).value();
    run = chosen == before ? run + 1 : 1;
    before = chosen;
    longest = std::max(longest, run);
  }
  CHECK(longest <= 2);
}

TEST_CASE("in turn a server that comes back is not sent all it missed") {
  std::vector<Standing> table = {server(), server()};
  Chooser chooser(Policy::round_robin, seeded());
  table[0].out = true;
  for (int i = 0; i < 1000; ++i) CHECK(chooser.choose(table, now) == 1);
  table[0].out = false;
  int first = 0;
  for (int i = 0; i < 10; ++i) first += chooser.choose(table, now) == 0 ? 1 : 0;
  CHECK(first >= 4);
  CHECK(first <= 6);
}

TEST_CASE("the least loaded for its weight is taken, equals share by weight") {
  CHECK(shares_of(Policy::least_requests, {server(3), server(2), server(9)}, 10) ==
        std::vector<int>{0, 10, 0});
  CHECK(shares_of(Policy::least_requests, {server(3, 3), server(2, 1)}, 10) ==
        std::vector<int>{10, 0});
  const auto got = shares_of(Policy::least_requests, {server(0, 1), server(0, 3)}, 8000);
  CHECK(got[0] > 1800);
  CHECK(got[0] < 2200);
}

TEST_CASE("chance shares by weight, whatever is in flight") {
  const auto got = shares_of(Policy::random, {server(99, 1), server(0, 3)}, 8000);
  CHECK(got[0] > 1800);
  CHECK(got[0] < 2200);
}

TEST_CASE("the first server takes everything until it is out") {
  std::vector<Standing> table = {server(50), server(), server()};
  CHECK(shares_of(Policy::first, table, 10) == std::vector<int>{10, 0, 0});
  table[0].out = true;
  CHECK(shares_of(Policy::first, table, 10) == std::vector<int>{0, 10, 0});
}

TEST_CASE("keys spread evenly over servers, and by weight") {
  std::vector<Standing> table = named_servers(5);
  table[4].weight = 4;
  std::vector<int> got(table.size());
  for (int i = 0; i < 16'000; ++i) ++got[by_key(table, now, key_of(i)).value()];
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(got[i] > 1800);
    CHECK(got[i] < 2200);
  }
  CHECK(got[4] > 7700);
  CHECK(got[4] < 8300);
}

TEST_CASE("a lost server moves only the keys it had, and has them again when it is back") {
  std::vector<Standing> table = named_servers(10);
  std::vector<std::size_t> before;
  for (int i = 0; i < 5000; ++i) before.push_back(by_key(table, now, key_of(i)).value());
  table[3].out = true;
  int moved = 0;
  for (int i = 0; i < 5000; ++i) {
    const std::size_t at = by_key(table, now, key_of(i)).value();
    const std::size_t was = before[static_cast<std::size_t>(i)];
    if (was != 3) CHECK(at == was);
    moved += at != was ? 1 : 0;
  }
  CHECK(moved > 400);
  CHECK(moved < 600);
  table[3].out = false;
  for (int i = 0; i < 5000; ++i) {
    CHECK(by_key(table, now, key_of(i)) == before[static_cast<std::size_t>(i)]);
  }
}

TEST_CASE("a new server takes only its share of the keys, wherever the file names it") {
  const std::vector<Standing> old = named_servers(9);
  std::vector<Standing> grown = named_servers(10);
  std::rotate(grown.begin(), grown.end() - 1, grown.end());  // the new one first
  int moved = 0;
  for (int i = 0; i < 5000; ++i) {
    const std::size_t was = by_key(old, now, key_of(i)).value();
    const std::size_t at = by_key(grown, now, key_of(i)).value();
    if (at != 0) CHECK(grown[at].hash == old[was].hash);
    moved += at == 0 ? 1 : 0;
  }
  CHECK(moved > 400);
  CHECK(moved < 600);
}

TEST_CASE("a key leads to the same server in every build") {
  const std::vector<Standing> table = named_servers(7);
  CHECK(stable_hash("") == 0xF52A15E9A9B5E89BU);
  CHECK(stable_hash("client-1") == 0x38B3FD2438251CB2U);
  std::vector<std::size_t> got;
  for (int i = 0; i < 8; ++i) got.push_back(by_key(table, now, key_of(i)).value());
  CHECK(got == std::vector<std::size_t>{4, 5, 6, 2, 2, 6, 6, 5});
}

TEST_CASE("a request without a key goes where two choices lead") {
  Chooser chooser(Policy::hash, seeded());
  CHECK(chooser.choose(std::vector<Standing>{server(5), server(4)}, now) == 1);
}

TEST_CASE("no policy chooses a server that is out, and a backup only when all others are") {
  std::vector<Standing> table = {server(), server(), server()};
  table[1].out = true;
  table[2].backup = true;
  for (const Policy policy : {Policy::two_choices, Policy::round_robin, Policy::least_requests,
                              Policy::random, Policy::first, Policy::hash}) {
    CAPTURE(static_cast<int>(policy));
    Chooser chooser(policy, seeded());
    for (int i = 0; i < 50; ++i) CHECK(chooser.choose(table, now, key_of(i)) == 0);
    std::vector<Standing> left = table;
    left[0].out = true;
    for (int i = 0; i < 50; ++i) CHECK(chooser.choose(left, now, key_of(i)) == 2);
    left[2].out = true;
    CHECK(chooser.choose(left, now, key_of(1)) == std::nullopt);
  }
}

TEST_CASE("a higher priority number waits until all of a lower one are gone, backups after all") {
  std::vector<Standing> table(4);
  table[0].priority = 20;
  table[1].priority = 10;
  table[2].priority = 10;
  table[3].backup = true;
  table[3].priority = 0;
  for (const Policy policy : {Policy::two_choices, Policy::round_robin, Policy::least_requests,
                              Policy::random, Policy::first, Policy::hash}) {
    Chooser chooser(policy, seeded());
    for (Standing& each : table) each.out = false;
    for (std::uint64_t key = 0; key < 50; ++key) {
      const auto chosen = chooser.choose(table, now, key);
      CHECK((chosen == 1 || chosen == 2));
    }
    table[1].out = true;
    CHECK(chooser.choose(table, now, 1) == 2);
    table[2].avoid_until = now + 1s;
    CHECK(chooser.choose(table, now, 1) == 0);
    table[0].tried = true;
    CHECK(chooser.choose(table, now, 1) == 3);
    table[3].avoid_until = now + 1s;
    CHECK(chooser.choose(table, now, 1) == 2);
    for (Standing& each : table) each.avoid_until = Steady::min();
    table[0].tried = false;
  }
}

}  // namespace balance_test
