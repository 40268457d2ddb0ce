#include "core/base/address_text.hpp"

#include <algorithm>
#include <string>

#include "core/base/two_digits.hpp"

namespace gatehouse {
namespace {

char* put_octet(char* at, unsigned octet) {
  if (octet < 10) {
    *at = static_cast<char>('0' + octet);
    return at + 1;
  }
  if (octet >= 100) *at++ = static_cast<char>('0' + octet / 100);
  return put_two_digits(at, octet % 100);
}

}  // namespace

std::string_view address_text(const boost::asio::ip::address& address, AddressRoom& room) {
  if (!address.is_v4()) {
    const std::string text = address.to_string();
    const std::size_t length = std::min(text.size(), room.size());
    std::copy_n(text.data(), length, room.data());
    return {room.data(), length};
  }
  char* at = room.data();
  for (const unsigned char octet : address.to_v4().to_bytes()) {
    if (at != room.data()) *at++ = '.';
    at = put_octet(at, octet);
  }
  return {room.data(), static_cast<std::size_t>(at - room.data())};
}

}  // namespace gatehouse
