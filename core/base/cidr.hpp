#pragma once

#include <boost/asio/ip/address.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.hpp"

namespace gatehouse {

/// A block of addresses: `10.0.0.0/8`, `2001:db8::/32`, or one address.
class Cidr {
 public:
  static Result<Cidr> parse(std::string_view text);
  /// IPv4-mapped IPv6 addresses are looked at as IPv4.
  bool contains(const boost::asio::ip::address& address) const;

 private:
  Cidr(boost::asio::ip::address network, unsigned prefix) : network_(network), prefix_(prefix) {}
  boost::asio::ip::address network_;
  unsigned prefix_;
};

/// The blocks of `"private"`: RFC 1918, unique local, loopback (and link-local).
const std::vector<Cidr>& private_blocks();
/// Each text is a block or `"private"`. The error names the one that is neither.
Result<std::vector<Cidr>> parse_blocks(std::span<const std::string> texts);
bool is_private(const boost::asio::ip::address& address);
/// ::ffff:192.0.2.1 as 192.0.2.1, everything else as it is.
boost::asio::ip::address unmapped(const boost::asio::ip::address& address);

}  // namespace gatehouse
