#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <memory>

#include "core/base/asio.hpp"
#include "core/net/stream.hpp"
#include "proxy/serve/worker.hpp"

namespace gatehouse::serve {

struct Door;

/// How a connection came to us.
struct Arrival {
  std::shared_ptr<const Door> door;
  asio::ip::address peer;
  std::uint16_t peer_port = 0;
};

/// The life of one client connection: PROXY header, TLS handshake, then one request after the
/// other, until it ends. Belongs to the worker's crew of clients.
awaitable<void> serve_connection(Worker& worker, std::unique_ptr<net::Stream> stream,
                                 Arrival arrival);

}  // namespace gatehouse::serve
