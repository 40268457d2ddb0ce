#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/asio.hpp"
#include "core/net/buffer_pool.hpp"
#include "core/net/stream.hpp"

namespace gatehouse::serve {

struct TunnelLimits {
  std::chrono::milliseconds idle{3'600'000};      // no octet either way
  std::chrono::milliseconds half_closed{60'000};  // from one side's end to the tunnel's
  std::chrono::milliseconds write_idle{60'000};   // a side takes nothing
};

/// One end of a tunnel: what was read off it already, then the stream.
struct TunnelEnd {
  net::Stream& stream;
  std::string early;
};

struct TunnelCounts {
  std::uint64_t from_client = 0;
  std::uint64_t from_server = 0;
};

/// Copies octets both ways until both sides have ended theirs, one fails, or a limit passes. When
/// one side ends, the other is told (FIN) and may go on for a while. A waiting tunnel holds no
/// buffer. Both streams are closed when it returns. They and `buffers` outlive the call.
awaitable<TunnelCounts> run_tunnel(Clock& clock, net::BufferPool& buffers, TunnelEnd client,
                                   TunnelEnd server, TunnelLimits limits);

/// What a server must answer to a Sec-WebSocket-Key (RFC 6455 §4.2.2).
std::string websocket_accept(std::string_view key);

}  // namespace gatehouse::serve
