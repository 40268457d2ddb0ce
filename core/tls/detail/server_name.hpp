#pragma once

#include <string>
#include <string_view>

namespace gatehouse::tls::detail {

/// Two octets in network order.
inline unsigned number16(std::string_view two) {
  return static_cast<unsigned>(static_cast<unsigned char>(two[0])) << 8 |
         static_cast<unsigned char>(two[1]);
}

/// What stands behind a two-octet length that must span all of it; empty when it does not.
inline std::string_view counted(std::string_view body) {
  if (body.size() < 2 || number16(body) != body.size() - 2) return {};
  return body.substr(2);
}

/// The host in a server_name extension, in normal form; empty: it is none (RFC 6066 §3: never an
/// address). One place for all who read it: two readings of one name would be two sites.
std::string server_name_in(std::string_view extension);

constexpr unsigned server_name_extension = 0;

}  // namespace gatehouse::tls::detail
