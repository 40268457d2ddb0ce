#include "proxy/serve/rate_table.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace rate_table_test {

using namespace gatehouse;
using namespace std::chrono_literals;
using serve::Pace;
using serve::RateTable;

namespace {

struct Counter {
  /// True: admitted.
  bool ask(const std::string& key) { return wait(key) == 0ns; }
  std::chrono::nanoseconds wait(const std::string& key) { return table.ask(key, now, pace); }

  SystemEntropy entropy;
  RateTable table{entropy};
  Steady now{1h};
  Pace pace{1s, 3};
};

}  // namespace

TEST_CASE("a client has its burst, then one request each interval") {
  Counter counter;
  for (int i = 0; i < 3; ++i) CHECK(counter.ask("a"));
  CHECK(counter.wait("a") == 1s);
  counter.now += 400ms;
  CHECK(counter.wait("a") == 600ms);  // asking in vain costs nothing
  counter.now += 600ms;
  CHECK(counter.ask("a"));
  CHECK_FALSE(counter.ask("a"));
  counter.now += 1h;
  for (int i = 0; i < 3; ++i) CHECK(counter.ask("a"));  // not more for having been quiet
  CHECK_FALSE(counter.ask("a"));
}

TEST_CASE("one client's requests are not another's") {
  Counter counter;
  for (int i = 0; i < 4; ++i) counter.ask("a");
  CHECK_FALSE(counter.ask("a"));
  CHECK(counter.ask("b"));
}

TEST_CASE("a steady client below the rate is never refused, one above it gets exactly the rate") {
  Counter counter;
  int refused = 0;
  for (int i = 0; i < 1000; ++i, counter.now += 1001ms) refused += counter.ask("slow") ? 0 : 1;
  CHECK(refused == 0);
  int admitted = 0;
  for (int i = 0; i < 10'000; ++i, counter.now += 100ms) admitted += counter.ask("fast") ? 1 : 0;
  CHECK(admitted >= 1000);
  CHECK(admitted <= 1003);
}

TEST_CASE("more keys than there is room for push out the least busy and no one else's count") {
  Counter counter;
  counter.pace.at_once = 100;
  for (int i = 0; i < 100; ++i) CHECK(counter.ask("busy"));
  for (std::size_t i = 0; i < 4 * RateTable::most_keys; ++i) {
    REQUIRE(counter.ask("flood" + std::to_string(i)));
  }
  CHECK_FALSE(counter.ask("busy"));
}

TEST_CASE("rates beyond all measure neither overflow nor stop anybody wrongly") {
  Counter counter;
  counter.pace = {0ns, 1};  // more a second than there are nanoseconds
  CHECK(counter.ask("a"));
  counter.pace = {std::chrono::hours(24 * 3650), 0x7FFFFFFF};
  for (int i = 0; i < 5; ++i) CHECK(counter.ask("b"));
}

TEST_CASE("workers together let no more pass than one alone") {
  Counter counter;
  counter.pace = {1h, 1000};
  std::atomic<int> admitted = 0;
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 4; ++worker) {
    workers.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) admitted += counter.ask("shared") ? 1 : 0;
    });
  }
  for (std::thread& worker : workers) worker.join();
  CHECK(admitted == 1000);
}

}  // namespace rate_table_test
