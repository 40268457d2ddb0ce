#pragma once

#include <string>
#include <string_view>

namespace gatehouse::tls {

/// Raw octets, not hex. Any thread.
std::string sha256(std::string_view octets);
/// Only where a protocol asks for it (the WebSocket handshake, RFC 6455 §4.2.2).
std::string sha1(std::string_view octets);
std::string hmac_sha256(std::string_view key, std::string_view octets);
std::string hmac_sha384(std::string_view key, std::string_view octets);
std::string hmac_sha512(std::string_view key, std::string_view octets);

/// Takes as long for a wrong secret as for the right one; only the lengths show.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace gatehouse::tls
