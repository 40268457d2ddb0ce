#include "core/base/eight_octets.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <string>

namespace eight_octets_test {

namespace eight = gatehouse::eight_octets;

namespace {

/// Whether `found` tells of `octet` at every place among `among` exactly where `meant` says so, and
/// `among` nowhere below it.
template <class Found, class Meant>
bool finds(Found found, Meant meant, unsigned char among) {
  if (meant(among)) return found(eight::all_of(among)) == eight::all_of(0x80);
  for (int octet = 0; octet < 256; ++octet) {
    for (std::size_t at = 0; at < eight::count; ++at) {
      std::string octets(eight::count, static_cast<char>(among));
      octets[at] = static_cast<char>(octet);
      const std::uint64_t tops = found(eight::at(octets.data()));
      if (meant(static_cast<unsigned char>(octet))) {
        if (static_cast<std::size_t>(std::countr_zero(tops)) != at * 8 + 7) return false;
      } else if (tops != 0) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

TEST_CASE("each kind of octet is found at every place, and nothing else is") {
  for (int among = 0; among < 256; ++among) {
    const auto octet = static_cast<unsigned char>(among);
    CAPTURE(among);
    CHECK(finds([](auto e) { return eight::below(e, 0x20); },
                [](unsigned char c) { return c < 0x20; }, octet));
    CHECK(finds([](auto e) { return eight::equal(e, '"'); },
                [](unsigned char c) { return c == '"'; }, octet));
    CHECK(finds([](auto e) { return eight::control(e); },
                [](unsigned char c) { return c < 0x20 || c == 0x7F; }, octet));
    CHECK(finds([](auto e) { return eight::capitals(e); },
                [](unsigned char c) { return c >= 'A' && c <= 'Z'; }, octet));
  }
}

TEST_CASE("capitals are exact among one another") {
  const std::string text = "@AZ[`az{";
  CHECK(eight::capitals(eight::at(text.data())) == 0x808000U);
}

}  // namespace eight_octets_test
