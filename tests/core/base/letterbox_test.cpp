// What other threads hand over: all of it, once, on the right thread.
#include "core/base/letterbox.hpp"

#include <doctest/doctest.h>

#include <array>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/base/elsewhere.hpp"

namespace gatehouse::letterbox_test {
namespace {

/// An io_context with an open letterbox, on a thread of its own.
struct Served {
  Served() { Letterbox::open(io); }
  void start() {
    thread = std::thread([this] {
      for (;;) {
        try {
          io.run();
          return;
        } catch (const std::runtime_error&) {
          ++thrown;
        }
      }
    });
  }
  ~Served() {
    io.stop();
    if (thread.joinable()) thread.join();
  }
  asio::io_context io{1};
  std::thread thread;
  int thrown = 0;  // on its thread
};

TEST_CASE("what many threads hand over is done once, by one thread, in the order of each") {
  constexpr int threads = 4;
  constexpr int each = 5000;
  Served served;
  served.start();
  std::array<std::vector<int>, threads> seen;
  int all = 0;
  std::atomic<bool> done = false;
  std::vector<std::thread> senders;
  for (int from = 0; from < threads; ++from) {
    senders.emplace_back([&, from] {
      for (int i = 0; i < each; ++i) {
        hand_over(served.io.get_executor(), [&, from, i] {
          seen[static_cast<std::size_t>(from)].push_back(i);
          if (++all < threads * each) return;
          done = true;
          done.notify_one();
        });
      }
    });
  }
  done.wait(false);
  for (std::thread& sender : senders) sender.join();
  for (const std::vector<int>& order : seen) {
    REQUIRE(order.size() == each);
    for (int i = 0; i < each; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
  }
}

TEST_CASE("a letter that throws holds up no other") {
  Served served;
  std::atomic<bool> done = false;
  for (int i = 0; i < 3; ++i) {
    hand_over(served.io.get_executor(), [] { throw std::runtime_error("of a handler"); });
  }
  hand_over(served.io.get_executor(), [&] {
    done = served.thrown == 3;
    done.notify_one();
  });
  served.start();
  done.wait(false);
  CHECK(done);
}

TEST_CASE("what was not opened goes with its context") {
  auto there = std::make_shared<int>(0);
  {
    Served served;
    for (int i = 0; i < 3; ++i) {
      hand_over(served.io.get_executor(), [there] { ++*there; });
    }
    CHECK(there.use_count() == 4);
  }
  CHECK(there.use_count() == 1);
  CHECK(*there == 0);
}

awaitable<int> answer(std::thread::id& where) {
  where = std::this_thread::get_id();
  co_return 42;
}

awaitable<void> failure() {
  throw std::runtime_error("of the work");
  co_return;
}

awaitable<void> visit(Served& other, std::thread::id& there, std::thread::id& back, int& got,
                      std::string& what) {
  auto work = answer(there);
  got = co_await run_elsewhere(other.io.get_executor(), std::move(work));
  back = std::this_thread::get_id();
  auto failing = failure();
  try {
    co_await run_elsewhere(other.io.get_executor(), std::move(failing));
  } catch (const std::runtime_error& e) {
    what = e.what();
  }
}

TEST_CASE("work runs elsewhere and its caller goes on where it was, with a letterbox or without") {
  for (const bool boxed : {false, true}) {
    CAPTURE(boxed);
    asio::io_context mine{1};  // outlives the other's thread
    if (boxed) Letterbox::open(mine);
    Served other;
    other.start();
    std::thread::id there;
    std::thread::id back;
    int got = 0;
    std::string what;
    asio::co_spawn(mine, visit(other, there, back, got, what),
                   [&](std::exception_ptr) { mine.stop(); });
    mine.run();
    CHECK(got == 42);
    CHECK(there == other.thread.get_id());
    CHECK(back == std::this_thread::get_id());
    CHECK(what == "of the work");
  }
}

}  // namespace
}  // namespace gatehouse::letterbox_test
