#include "core/base/address_text.hpp"

#include <algorithm>
#include <charconv>
#include <string>

namespace gatehouse {

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
    at = std::to_chars(at, room.data() + room.size(), unsigned{octet}).ptr;
  }
  return {room.data(), static_cast<std::size_t>(at - room.data())};
}

}  // namespace gatehouse
