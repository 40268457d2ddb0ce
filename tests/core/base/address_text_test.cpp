#include "core/base/address_text.hpp"

#include <doctest/doctest.h>

namespace address_text_test {

using namespace gatehouse;

TEST_CASE("an address reads as everybody writes it") {
  for (const char* text :
       {"0.0.0.0", "127.0.0.1", "192.0.2.10", "255.255.255.255", "::", "::1", "2001:db8::a:b",
        "::ffff:192.0.2.1", "2001:db8:1111:2222:3333:4444:5555:6666"}) {
    AddressRoom room;
    CHECK(address_text(boost::asio::ip::make_address(text), room) == text);
  }
}

}  // namespace address_text_test
