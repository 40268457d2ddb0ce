#include "core/base/bytes.hpp"

#include <doctest/doctest.h>

namespace bytes_test {

using namespace gatehouse;

TEST_CASE("base64url writes no padding and reads back what it wrote") {
  const std::pair<std::string, std::string> rows[] = {{"", ""},
                                                      {"f", "Zg"},
                                                      {"fo", "Zm8"},
                                                      {"foo", "Zm9v"},
                                                      {"foobar", "Zm9vYmFy"},
                                                      {"\xfb\xff\xfe", "-__-"}};
  for (const auto& [octets, text] : rows) {
    CHECK(base64url(octets) == text);
    const auto back = from_base64url(text);
    REQUIRE(back.has_value());
    CHECK(*back == octets);
  }
}

TEST_CASE("base64url refuses padding, other alphabets, impossible lengths and stray bits") {
  for (const char* text : {"Zg==", "Z", "Zm9vY", "+/+/", "Zg\n", "Zh"}) {
    CAPTURE(text);
    CHECK_FALSE(from_base64url(text).has_value());
  }
}

TEST_CASE("pasted base64 is read in either alphabet, padded or not") {
  CHECK(*from_base64_lenient("Zm8=") == "fo");
  CHECK(*from_base64_lenient("Zm8") == "fo");
  CHECK(*from_base64_lenient("-__-") == *from_base64_lenient("+//+"));
  CHECK_FALSE(from_base64_lenient("Zm8*").has_value());
}

TEST_CASE("hex goes both ways and refuses what is no hex") {
  CHECK(hex(std::string("\x00\xab\x7f", 3)) == "00ab7f");
  CHECK(*from_hex("00AB7f") == std::string("\x00\xab\x7f", 3));
  CHECK_FALSE(from_hex("0").has_value());
  CHECK_FALSE(from_hex("0g").has_value());
}

TEST_CASE("case is folded for ASCII alone") {
  CHECK(to_lower("\xc3\x84"
                 "BC") ==
        "\xc3\x84"
        "bc");
  CHECK(equal_ignoring_case("Content-Length", "content-LENGTH"));
  CHECK_FALSE(equal_ignoring_case("a", "ab"));
  CHECK(equal_ignoring_case("", ""));
  // What differs in the bit that tells cases apart, and is no letter.
  CHECK_FALSE(equal_ignoring_case("@", "`"));
  CHECK_FALSE(equal_ignoring_case("x-header-[", "x-header-{"));
  CHECK_FALSE(equal_ignoring_case("x-header\r12345678", "x-header-12345678"));
  for (int octet = 0; octet < 256; ++octet) {  // every octet against every other, eight at a time
    for (int other = 0; other < 256; ++other) {
      const std::string a(9, static_cast<char>(octet));
      const std::string b(9, static_cast<char>(other));
      const bool same = to_lower(a.front()) == to_lower(b.front());
      if (equal_ignoring_case(a, b) != same) FAIL(octet, " ", other);
    }
  }
  for (std::size_t length = 1; length <= 20; ++length) {
    const std::string name = std::string("Access-Control-Allow").substr(0, length);
    CHECK(equal_ignoring_case(name, to_lower(name)));
    for (std::size_t at = 0; at < length; ++at) {
      std::string other = to_lower(name);
      other[at] = '1';
      CHECK_FALSE(equal_ignoring_case(name, other));
    }
  }
}

}  // namespace bytes_test
