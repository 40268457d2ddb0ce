#include "core/base/log.hpp"

#include <doctest/doctest.h>

#include <filesystem>

#include "tests/support/log_file.hpp"

namespace log_test {

using namespace gatehouse;
using gatehouse::test::LogFile;

TEST_CASE("a line stands alone and values with spaces are quoted") {
  const LogFile file(log::Format::text);
  log::info("certificate renewed", {{"name", "a.example"}, {"took_ms", 5210}, {"why", "a \"b\""}});
  log::debug("not shown");
  const std::string text = file.text();
  CHECK(text.ends_with(
      " info certificate renewed name=a.example took_ms=5210 why=\"a \\\"b\\\"\"\n"));
  CHECK(text.find("not shown") == std::string::npos);
}

TEST_CASE("a peer's bytes cannot begin a new line") {
  const LogFile file(log::Format::text);
  log::warn("odd", {{"value", "a\r\nb\x1b[0m"}});
  CHECK(file.text().find("value=a\\x0d\\x0ab\\x1b[0m\n") != std::string::npos);
}

TEST_CASE("a JSON line is one object with numbers as numbers") {
  const LogFile file(log::Format::json);
  log::error("bad", {{"n", 7}, {"text", "a\"\n\xff\xc3\xa9"}});
  CHECK(file.text().find("\"level\":\"error\",\"event\":\"bad\",\"n\":7,"
                         "\"text\":\"a\\\"\\u000a\\u00ff\xc3\xa9\"}\n") != std::string::npos);
}

TEST_CASE("after rotation the log goes to the new file") {
  const LogFile file(log::Format::text);
  log::info("before");
  const std::string moved = file.path() + ".1";
  std::filesystem::rename(file.path(), moved);
  REQUIRE(log::reopen());
  log::info("after");
  CHECK(file.text().find("after") != std::string::npos);
  CHECK(file.text().find("before") == std::string::npos);
  std::filesystem::remove(moved);
}

TEST_CASE("an output that cannot be opened leaves the old one in place") {
  const LogFile file(log::Format::text);
  CHECK_FALSE(log::open(log::Level::info, log::Format::text, "/dev/null/x.log"));
  log::info("still here");
  CHECK(file.text().find("still here") != std::string::npos);
}

TEST_CASE("long values are cut") {
  CHECK(log::escaped("abcdef", 3) == "abc...");
  CHECK(log::json_escaped("abcdef", 3) == "abc...");
}

}  // namespace log_test
