#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/base/cidr.hpp"
#include "core/http/message.hpp"

namespace gatehouse::serve {

/// Who asks. `peer_trusted`: the other end of the connection is a proxy whose word counts.
struct ClientAddress {
  boost::asio::ip::address ip;
  bool peer_trusted = false;
};

/// The client behind the proxies that we trust: X-Forwarded-For is walked from the right, past
/// trusted hops, to the first that is not; what cannot be read ends the walk at the hop before it.
/// An untrusted peer is the client itself, whatever it sends. At most 20 hops and 2 KiB are read.
ClientAddress resolve_client(const http::Fields& fields, const boost::asio::ip::address& peer,
                             std::span<const Cidr> trusted);

/// What the fields towards a server are written from. Views live as long as the request.
struct Hop {
  boost::asio::ip::address peer;  // other end of the client's connection
  boost::asio::ip::address client_ip;
  bool peer_trusted = false;
  std::string_view scheme;                        // of the client's connection
  std::string_view authority;                     // the Host the client asked for
  std::uint16_t port = 0;                         // where the client came in; 0: not known
  std::string_view request_id;                    // empty: none
  http::Version version = http::Version::http11;  // of the request as it came in
};

/// Takes out what only we may tell a server: X-Real-IP, client certificate fields, X-Accel-*,
/// Proxy, names that read the same once `_` is `-`, and, from a peer without our trust, Forwarded,
/// X-Forwarded-* and X-Request-Id.
void remove_spoofable(http::Fields& fields, bool peer_trusted);

/// Writes X-Forwarded-For, -Proto, -Host and -Port, X-Real-IP, X-Request-Id and Via. A trusted
/// proxy's list and values are kept and continued, everybody else's replaced. Call it after
/// hop-by-hop fields and spoofable ones are gone: otherwise a client could have ours removed.
void write_forwarded(http::Fields& fields, const Hop& hop);

/// The name we sign Via with.
inline constexpr std::string_view via_name = "gatehouse";
/// How often we stand in Via: the same request comes round in a loop (RFC 9110 §7.6.3).
std::size_t times_in_via(const http::Fields& fields);
inline constexpr std::size_t most_times_in_via = 5;

}  // namespace gatehouse::serve
