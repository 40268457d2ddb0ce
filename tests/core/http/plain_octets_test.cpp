#include "core/http/detail/plain_octets.hpp"

#include <doctest/doctest.h>

#include <string>

namespace plain_octets_test {

using gatehouse::http::detail::plain_prefix;
using gatehouse::http::detail::text_prefix;

namespace {

bool is_control(int octet) { return octet < 0x20 || octet == 0x7F; }

}  // namespace

TEST_CASE("the first control octet is found, whatever it is, wherever it stands and among whom") {
  std::size_t wrong = 0;
  for (const char among : {'a', ' ', '!', '~', '\x80', '\xFF'}) {
    for (std::size_t size = 1; size <= 20; ++size) {
      for (std::size_t at = 0; at < size; ++at) {
        std::string text(size, among);
        for (int octet = 0; octet < 256; ++octet) {
          text[at] = static_cast<char>(octet);
          wrong += plain_prefix(text) != (is_control(octet) ? at : size) ? 1 : 0;
          const bool ends = is_control(octet) && octet != '\t';
          wrong += text_prefix(text) != (ends ? at : size) ? 1 : 0;
        }
      }
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("of several the first one counts, and tabs are text") {
  CHECK(plain_prefix("") == 0);
  CHECK(text_prefix("") == 0);
  CHECK(plain_prefix("ab\r\ncd\r\n") == 2);
  CHECK(text_prefix("\t\ta\tb\t\r\n") == 6);
  CHECK(text_prefix("\t") == 1);
  CHECK(text_prefix("a\t\n\t") == 2);
}

}  // namespace plain_octets_test
