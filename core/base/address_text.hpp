#pragma once

#include <array>
#include <boost/asio/ip/address.hpp>
#include <string_view>

namespace gatehouse {

/// Room for any address without a scope.
using AddressRoom = std::array<char, 64>;

/// The same as `address.to_string()`, for the road of every request: no printf, no memory taken.
std::string_view address_text(const boost::asio::ip::address& address, AddressRoom& room);

}  // namespace gatehouse
