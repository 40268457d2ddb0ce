#include "core/base/pattern.hpp"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/result.hpp"

namespace pattern_test {

using gatehouse::Pattern;

TEST_CASE("an expression is found anywhere, unless it is anchored") {
  struct Row {
    const char* expression;
    const char* text;
    bool found;
  };
  const Row rows[] = {
      {"json", "application/json; q=1", true},  {"^/v[0-9]+/", "/v12/x", true},
      {"^/v[0-9]+/", "/api/v12/x", false},      {"^$", "", true},
      {"(?i)chrome", "a CHROME b", true},       {"\\.php$", "/x.php", true},
      {"\xC3\xBC", "gr\xC3\xBC\xC3\x9F", true}, {".", "\xFF", true},
  };
  for (const Row& row : rows) {
    INFO(row.expression << " in " << row.text);
    CHECK(Pattern::compile(row.expression).value().found_in(row.text) == row.found);
  }
  CHECK_FALSE(Pattern().found_in("x"));
}

TEST_CASE("an expression that is none, or takes too much memory, is refused with the reason") {
  CHECK(Pattern::compile("a(b").error().detail().find("missing )") != std::string::npos);
  CHECK(Pattern::compile("[z-a]").error().detail().find("z-a") != std::string::npos);
  CHECK(Pattern::compile("(x)\\1").error().detail().find("\\1") != std::string::npos);
  CHECK_FALSE(Pattern::compile("((((((a{100}){100}){100}){100}){100}){100})"));
}

TEST_CASE("the groups of what was found are views into the text") {
  const auto pattern = Pattern::compile("/old/([a-z]+)(/x)?").value();
  CHECK(pattern.groups() == 2);
  Pattern::Found found;
  const std::string text = "/a/old/book/y";
  REQUIRE(pattern.find(text, found));
  CHECK(found.whole == "/old/book");
  CHECK(found.whole.data() == text.data() + 2);
  CHECK(found.group[1] == "book");
  CHECK(found.group[2].empty());
  CHECK_FALSE(pattern.find("/new/book", found));
}

TEST_CASE("a hostile text costs no more than its length") {
  const auto pattern = Pattern::compile("^(a+)+$").value();
  CHECK_FALSE(pattern.found_in(std::string(100'000, 'a') + "b"));
}

}  // namespace pattern_test
