#include "core/net/dialer.hpp"

#include <sys/un.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "core/net/within.hpp"

namespace gatehouse::net {
namespace {

using Endpoint = asio::generic::stream_protocol::endpoint;
using Streams = std::unique_ptr<Stream>;

Fault fault_of(const boost::system::error_code& ec) {
  return ec == asio::error::timed_out ? Fault::timeout : Fault::refused;
}

awaitable<Result<Socket>> connect(Endpoint endpoint, Side side) {
  auto executor = co_await asio::this_coro::executor;
  Socket socket(executor);
  boost::system::error_code failed;
  socket.open(endpoint.protocol(), failed);
  if (failed) co_return Error(Fault::io, Side::self, "socket: " + failed.message());
  const auto [ec] = co_await socket.async_connect(endpoint, as_result);
  if (ec) co_return Error(fault_of(ec), side, ec.message());
  co_return std::move(socket);
}

/// All endpoints of a target, or why there are none.
awaitable<Result<std::vector<Endpoint>>> endpoints_of(Target target, Resolver& resolver) {
  std::vector<Endpoint> out;
  if (!target.unix_path.empty()) {
    if (target.unix_path.size() >= sizeof(sockaddr_un::sun_path)) {
      co_return Error(Fault::refused, Side::self, "path is too long for a unix socket");
    }
    out.emplace_back(asio::local::stream_protocol::endpoint(target.unix_path));
    co_return out;
  }
  auto addresses = co_await resolver.resolve(target.host);
  if (!addresses) co_return addresses.error();
  for (const auto& address : *addresses) {
    out.emplace_back(asio::ip::tcp::endpoint(address, target.port));
  }
  co_return out;
}

}  // namespace

std::string Target::text() const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return name + ":" + std::to_string(port);
}

awaitable<Result<Streams>> SystemDialer::dial(Target target, Steady deadline, DeadlineWheel& wheel,
                                              Side side) {
  const std::string doing = "dial " + target.text();
  auto resolving = endpoints_of(target, resolver_);
  auto endpoints = co_await within(clock_, deadline, side, std::move(resolving));
  if (!endpoints) co_return std::move(endpoints).error().within(doing);
  Error last(Fault::refused, side, "no address");
  std::size_t left = endpoints->size();
  for (const Endpoint& endpoint : *endpoints) {
    // An address that swallows packets leaves the others their share of the time.
    const Steady now = clock_.steady();
    const Steady until = now + (deadline - now) / static_cast<std::ptrdiff_t>(left--);
    auto connecting = connect(endpoint, side);
    auto socket = co_await within(clock_, until, side, std::move(connecting));
    if (socket) {
      Streams stream = std::make_unique<SocketStream>(std::move(*socket), wheel, side);
      co_return stream;
    }
    last = socket.error();
  }
  co_return std::move(last).within(doing);
}

}  // namespace gatehouse::net
