#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/asio.hpp"
#include "core/base/error.hpp"

namespace gatehouse::net {

/// The address header that a load balancer puts before everything else (the PROXY protocol,
/// versions 1 and 2).
struct ProxyHeader {
  bool local = false;  // the balancer speaks for itself: the real peer counts
  asio::ip::address source;
  asio::ip::address destination;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::size_t length = 0;  // octets of the header: what follows is the client's
};

/// Reads the header at the start of `bytes`. `header.length` 0: more is needed, at most
/// most_proxy_header octets in all. Errors: Fault::bad_message, the connection must be dropped.
constexpr std::size_t most_proxy_header = 4096;
Result<ProxyHeader> parse_proxy_header(std::string_view bytes);

/// The header as it is sent, in version 1 or 2. `local`: we speak for ourselves (LOCAL, or UNKNOWN
/// in version 1); the rest does not count then.
std::string write_proxy_header(int version, const ProxyHeader& header);

}  // namespace gatehouse::net
