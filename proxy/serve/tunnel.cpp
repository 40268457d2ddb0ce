#include "proxy/serve/tunnel.hpp"

#include <boost/asio/post.hpp>

#include "core/base/bytes.hpp"
#include "core/base/fair_share.hpp"
#include "core/base/race.hpp"
#include "core/tls/digest.hpp"

namespace gatehouse::serve {
namespace {

using net::IoState;
using net::Want;

/// What both directions share. Lives in run_tunnel's frame.
struct Tunnel {
  Clock& clock;
  net::BufferPool& buffers;
  net::Stream& client;
  net::Stream& server;
  const TunnelLimits& limits;
  Steady ends = Steady::max();  // set when one side has ended

  /// An octet moved: both sides may be silent for the idle time again.
  void moved() {
    const Steady until = std::min(clock.steady() + limits.idle, ends);
    client.deadline(Want::read, until);
    server.deadline(Want::read, until);
  }
  void half_closed() {
    ends = std::min(ends, clock.steady() + limits.half_closed);
    moved();
  }
  void close() {
    client.close();
    server.close();
  }
};

awaitable<Result<void>> write(Tunnel& tunnel, net::Stream& to, std::string_view bytes) {
  to.deadline(Want::write, std::min(tunnel.clock.steady() + tunnel.limits.write_idle, tunnel.ends));
  auto written = co_await to.write(bytes);
  to.deadline(Want::write, Steady::max());
  co_return written;
}

/// Waits without a buffer, then moves what is there.
awaitable<Result<void>> copy(Tunnel& tunnel, net::Stream& from, net::Stream& to,
                             std::uint64_t& count) {
  FairShare share;
  for (;;) {
    net::BufferPool::Block block = tunnel.buffers.take();
    const net::IoResult got = from.try_read(block.bytes());
    if (got.state == IoState::end) co_return Result<void>();
    if (got.state == IoState::failed) co_return from.error();
    if (got.state == IoState::done) {
      const std::string_view bytes(block.bytes().data(), got.bytes);
      auto written = co_await write(tunnel, to, bytes);
      if (!written) co_return written.error();
      count += got.bytes;
      tunnel.moved();
      block.release();
      if (share.used_up(got.bytes)) co_await asio::post(asio::use_awaitable);
      continue;
    }
    block.release();
    const Want want = got.state == IoState::want_read ? Want::read : Want::write;
    auto ready = co_await from.wait(want);
    if (!ready) co_return ready.error();
  }
}

/// One direction from its early octets to its end. A failure ends the other direction too, by
/// closing both streams.
awaitable<void> carry(Tunnel& tunnel, net::Stream& from, net::Stream& to, std::string early,
                      std::uint64_t& count) {
  Result<void> carried;
  if (!early.empty()) {
    carried = co_await write(tunnel, to, early);
    if (carried) count += early.size();
    early = std::string();
  }
  if (carried) carried = co_await copy(tunnel, from, to, count);
  if (!carried) {
    tunnel.close();
    co_return;
  }
  to.shutdown_write();
  tunnel.half_closed();
}

}  // namespace

awaitable<TunnelCounts> run_tunnel(Clock& clock, net::BufferPool& buffers, TunnelEnd client,
                                   TunnelEnd server, TunnelLimits limits) {
  TunnelCounts counts;
  Tunnel tunnel{clock, buffers, client.stream, server.stream, limits};
  tunnel.moved();
  auto up =
      carry(tunnel, client.stream, server.stream, std::move(client.early), counts.from_client);
  auto down =
      carry(tunnel, server.stream, client.stream, std::move(server.early), counts.from_server);
  co_await both(std::move(up), std::move(down));
  tunnel.close();
  co_return counts;
}

std::string websocket_accept(std::string_view key) {
  return base64(tls::sha1(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
}

}  // namespace gatehouse::serve
