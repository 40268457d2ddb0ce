#include "acme/audit.hpp"

#include <doctest/doctest.h>

#include <array>
#include <future>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/support/fake_clock.hpp"
#include "tests/support/faulty_file_system.hpp"
#include "tests/support/temporary_folder.hpp"

namespace gatehouse::acme::audit_test {
namespace {

using Json = nlohmann::json;

struct Bench {
  /// Until the one helper has done all that it was given.
  void flush() {
    std::promise<void> done;
    asio::post(helpers.executor(), [&done] { done.set_value(); });
    done.get_future().wait();
  }
  std::vector<Json> lines() {
    flush();
    std::vector<Json> all;
    const auto text = PosixFileSystem().read(path);
    std::istringstream stream(text ? *text : std::string());
    for (std::string line; std::getline(stream, line);) all.push_back(Json::parse(line));
    return all;
  }

  test::TemporaryFolder folder;
  std::string path = folder.path() + "/audit.jsonl";
  std::shared_ptr<test::FaultyFileSystem> system = std::make_shared<test::FaultyFileSystem>();
  test::FakeClock clock;
  HelperPool helpers{1};
  AuditLog log{path, system, clock, helpers};
};

TEST_CASE("an audited event is one JSON object on a line, whatever its fields hold") {
  Bench bench;
  bench.log.note("issuance denied", {{"name", "a.example"}, {"why", "\"no\"\n\x01\\ \xff"}});
  bench.log.note("config changed");
  const auto lines = bench.lines();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].at("ts") == "2026-01-01T00:00:00.000000Z");
  CHECK(lines[0].at("event") == "issuance denied");
  CHECK(lines[0].at("name") == "a.example");
  CHECK(lines[0].at("why").get<std::string>().starts_with("\"no\"\n"));
  CHECK(lines[1].at("event") == "config changed");
  CHECK(lines[1].size() == 2);
  CHECK(bench.system->facts(bench.path)->mode == 0600);
}

TEST_CASE("audited events of several threads come whole, and in order within each thread") {
  Bench bench;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&bench, thread] {
      for (int n = 0; n < 200; ++n)
        bench.log.note("counted", {{"thread", std::to_string(thread)}, {"n", std::to_string(n)}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto lines = bench.lines();
  CHECK(lines.size() == 800);
  std::array<int, 4> next{};
  for (const Json& line : lines) {
    int& expected =
        next.at(static_cast<std::size_t>(std::stoi(line.at("thread").get<std::string>())));
    CHECK(line.at("n") == std::to_string(expected));
    ++expected;
  }
}

TEST_CASE("an audit log adds to what a former life wrote") {
  Bench bench;
  REQUIRE(bench.system->append(bench.path, "{\"event\":\"before\"}\n").has_value());
  bench.log.note("after");
  const auto lines = bench.lines();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].at("event") == "before");
  CHECK(lines[1].at("event") == "after");
}

TEST_CASE("a disk that was full for a moment costs audit lines, not the log") {
  Bench bench;
  bench.system->fail_at(0, test::FaultyFileSystem::Kind::error);
  bench.log.note("lost");
  bench.flush();
  CHECK(bench.system->failed());
  bench.log.note("kept");
  const auto lines = bench.lines();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].at("event") == "kept");
}

}  // namespace
}  // namespace gatehouse::acme::audit_test
