#include "core/base/kept_octets.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace gatehouse::test::kept_octets_test {
namespace {

std::string text_of(std::size_t size, std::size_t number) {
  return std::string(size, static_cast<char>('a' + number % 26));
}

TEST_CASE("what is kept stays where it is, however much follows") {
  KeptOctets kept;
  std::vector<std::pair<std::string, std::string_view>> all;
  for (std::size_t number = 0; number < 500; ++number) {
    // Short ones, some as large as a block or larger, and nothing at all.
    const std::size_t size = number % 50 == 49 ? 900 + number * 10 : number % 40;
    const std::string text = text_of(size, number);
    all.emplace_back(text, kept.keep(text));
  }
  for (const auto& [text, view] : all) CHECK(view == text);
  KeptOctets elsewhere(std::move(kept));
  KeptOctets again;
  again.keep("gone by then");
  again = std::move(elsewhere);
  for (const auto& [text, view] : all) CHECK(view == text);
  again.clear();
  CHECK(again.keep("words") == "words");
}

}  // namespace
}  // namespace gatehouse::test::kept_octets_test
