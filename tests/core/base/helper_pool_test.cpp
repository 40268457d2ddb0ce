#include "core/base/helper_pool.hpp"

#include <doctest/doctest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <filesystem>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace helper_pool_test {

using namespace gatehouse;

namespace {

awaitable<int> twice(HelperPool& helpers, std::shared_future<void> gate, std::atomic<int>& ran) {
  auto job = [gate, &ran] {
    gate.wait();
    return ++ran;
  };
  const int first = co_await helpers.run(job);
  const int second = co_await helpers.run(job);
  co_return first + second;
}

}  // namespace

TEST_CASE("a job resumes its caller on the caller's thread") {
  asio::io_context io;
  HelperPool helpers(2);
  std::atomic<int> ran = 0;
  std::promise<void> gate;
  gate.set_value();
  int sum = 0;
  std::thread::id resumed;
  asio::co_spawn(io, twice(helpers, gate.get_future().share(), ran),
                 [&](std::exception_ptr, int value) {
                   sum = value;
                   resumed = std::this_thread::get_id();
                 });
  io.run();
  CHECK(sum == 3);
  CHECK(resumed == std::this_thread::get_id());
}

TEST_CASE("a caller that is cancelled while its job runs hears of it once the job has ended") {
  for (int round = 0; round < 200; ++round) {
    asio::io_context io;
    HelperPool helpers(1);
    std::atomic<int> ran = 0;
    std::promise<void> gate;
    asio::cancellation_signal stop;
    std::exception_ptr failure;
    const auto ended = [&](std::exception_ptr thrown, int) { failure = thrown; };
    asio::co_spawn(io, twice(helpers, gate.get_future().share(), ran),
                   asio::bind_cancellation_slot(stop.slot(), ended));
    io.poll();
    stop.emit(asio::cancellation_type::terminal);
    gate.set_value();
    io.restart();
    io.run();
    CHECK(failure != nullptr);
    CHECK(ran == 1);
  }
}

TEST_CASE("helpers that give way are less urgent than who made them, who stays as urgent") {
  asio::io_context io;
  const auto niceness = [] { return ::getpriority(PRIO_PROCESS, 0); };
  const int before = niceness();
  HelperPool normal(1);
  HelperPool stepping_back(1, HelperPool::Urgency::steps_back);
  HelperPool giving_way(1, HelperPool::Urgency::gives_way);
  int of_normal = -100;
  int of_stepping_back = -100;
  int of_giving_way = -100;
  int of_turn = -100;
  const auto look = [&]() -> awaitable<void> {
    of_normal = co_await normal.run(niceness);
    of_stepping_back = co_await stepping_back.run(niceness);
    of_giving_way = co_await giving_way.run(niceness);
    of_turn = co_await giving_way.run_in_turn(niceness);
  };
  asio::co_spawn(io, look(), [](std::exception_ptr failure) { CHECK(failure == nullptr); });
  io.run();
  CHECK(of_normal == before);
  CHECK(of_stepping_back == std::min(before + 5, 19));
  CHECK(of_giving_way == std::min(before + 15, 19));
  CHECK(of_turn == std::min(of_giving_way + 10, 19));
  CHECK(niceness() == before);
}

TEST_CASE("helpers take no signals but those of their own faults") {
  asio::io_context io;
  HelperPool helpers(1);
  const auto taken = [] {
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    std::vector<int> out;
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGSEGV, SIGABRT}) {
      if (::sigismember(&mask, number) == 0) out.push_back(number);
    }
    return out;
  };
  std::vector<int> by_helper;
  std::vector<int> by_turn;
  const auto look = [&]() -> awaitable<void> {
    by_helper = co_await helpers.run(taken);
    by_turn = co_await helpers.run_in_turn(taken);
  };
  asio::co_spawn(io, look(), [](std::exception_ptr failure) { CHECK(failure == nullptr); });
  io.run();
  const std::vector<int> faults{SIGSEGV, SIGABRT};
  CHECK(by_helper == faults);
  CHECK(by_turn == faults);
}

TEST_CASE("jobs in turn wait for one another, and nobody else for them") {
  asio::io_context io;
  HelperPool helpers(3);
  std::promise<void> begun;
  std::promise<void> gate;
  std::string order;
  std::mutex guard;
  const auto note = [&](char what) {
    const std::lock_guard lock(guard);
    order += what;
  };
  const auto first = [&] {
    note('a');
    begun.set_value();
    gate.get_future().wait();
    note('A');
  };
  const auto second = [&] { note('b'); };
  const auto beside = [&] {
    begun.get_future().wait();
    note('c');
    gate.set_value();
  };
  asio::co_spawn(io, helpers.run_in_turn(first), asio::detached);
  asio::co_spawn(io, helpers.run_in_turn(second), asio::detached);
  asio::co_spawn(io, helpers.run(beside), asio::detached);
  io.run();
  CHECK(order == "acAb");
}

TEST_CASE("threads are started for the first job, and none for one after the end") {
  const auto threads = [] {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return std::distance(begin(tasks), end(tasks));
  };
  asio::io_context io;
  const auto before = threads();
  HelperPool helpers(3);
  CHECK(threads() == before);
  bool ran = false;
  const auto job = [&ran] { ran = true; };
  const auto work = [&]() -> awaitable<void> { co_await helpers.run(job); };
  asio::co_spawn(io, work(), [](std::exception_ptr failure) { CHECK(failure == nullptr); });
  io.run();
  CHECK(ran);
  CHECK(threads() == before + 3);
  helpers.join();
  CHECK(threads() == before);

  HelperPool ended(3);
  ended.join();
  ran = false;
  asio::co_spawn(io, ended.run(job), asio::detached);
  io.restart();
  io.poll();
  CHECK_FALSE(ran);
  CHECK(threads() == before);
}

}  // namespace helper_pool_test
