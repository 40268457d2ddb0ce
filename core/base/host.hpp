#pragma once

#include <boost/asio/ip/address.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.hpp"

namespace gatehouse {

/// Checks and normalises a host name or IP literal: lower case, one trailing dot dropped, IPv6
/// without brackets and in RFC 5952 form. Labels are LDH plus `_`, 1 to 63 octets, 253 together.
/// Names that are not ASCII are an error: callers that take U-labels convert them first.
Result<std::string> normal_host(std::string_view text);

/// `*.example.com` for `a.example.com`; empty when the host has a single label or is an IP.
std::string wildcard_of(std::string_view host);

std::optional<boost::asio::ip::address> as_address(std::string_view host);

/// `1.2.0.192.in-addr.arpa`, or 32 nibbles and `.ip6.arpa`: what a tls-alpn-01 probe for an IP
/// address sends as SNI (RFC 8738 §6).
std::string reverse_name(const boost::asio::ip::address& address);

/// True for names and addresses that no public CA may certify: localhost, *.localhost, *.local,
/// *.internal, *.home.arpa, single labels, loopback, private and link-local addresses.
bool is_local_host(std::string_view host);

}  // namespace gatehouse
