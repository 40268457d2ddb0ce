// Listeners where not every site's TLS is ours: the ClientHello's name tells whose a connection is.

#include "core/base/log.hpp"
#include "core/net/rewound_stream.hpp"
#include "core/tls/hello_peeker.hpp"
#include "proxy/serve/detail/connection.hpp"
#include "proxy/serve/introduction.hpp"

namespace gatehouse::serve::detail {
namespace {

using net::Want;
using tls::HelloPeeker;

/// Reads until the hello is understood, or is none; what was read stays in `read`.
awaitable<Result<void>> peek(net::Stream& stream, net::BufferPool& buffers, HelloPeeker& peeker,
                             std::string& read) {
  while (peeker.state() == HelloPeeker::State::more) {
    auto ready = co_await stream.wait(Want::read);
    if (!ready) co_return ready.error();
    const net::BufferPool::Block block = buffers.take();
    const std::size_t room = HelloPeeker::most_on_wire - read.size();
    const std::size_t most = std::min(room, block.bytes().size());
    const net::IoResult got = stream.try_read(block.bytes().first(most));
    if (got.state == net::IoState::failed) co_return stream.error();
    if (got.state == net::IoState::end) {
      co_return Error(Fault::closed, Side::client, "closed during the TLS handshake");
    }
    if (got.state != net::IoState::done) continue;
    const std::string_view octets(block.bytes().data(), got.bytes);
    read += octets;
    peeker.feed(octets);
  }
  co_return Result<void>();
}

}  // namespace

/// Looks at the ClientHello of a listener where not every site's TLS is ours. True: this one is, or
/// is to be refused by us; it is read once more by the handshake. False: the connection is over.
awaitable<bool> Connection::claim(const Snapshot& snapshot, const Endpoint& endpoint,
                                  Steady deadline) {
  HelloPeeker peeker;
  std::string read;
  stream_->deadline(Want::read, deadline);
  auto peeked = co_await peek(*stream_, worker_.buffers, peeker, read);
  if (!peeked) {
    ++worker_.counters.handshakes_failed;
    log::debug("handshake failed",
               {{"peer", facts_.peer.to_string()}, {"why", peeked.error().detail()}});
    co_return false;
  }
  const Site* site = nullptr;
  if (peeker.state() == HelloPeeker::State::whole && !peeker.bad_server_name()) {
    // Clients that call us by an IP address name no server (RFC 6066 §3).
    site = endpoint.sites.find(peeker.server_name().empty() ? local_address(facts_).to_string()
                                                            : peeker.server_name());
  }
  if (site != nullptr && site->passes_through()) {
    ++worker_.counters.passed_through;
    place_.state(LiveConnections::State::busy);
    tls::SessionFacts session;
    session.sni = peeker.server_name();
    facts_.tls = &session;
    Transaction transaction(worker_, *door_, entrance(), facts_);
    co_await transaction.pass_through(*stream_, snapshot, *site, std::move(read));
    co_return false;
  }
  stream_ = std::make_unique<net::RewoundStream>(std::move(stream_), std::move(read));
  place_.stream(stream_.get());
  co_return true;
}

}  // namespace gatehouse::serve::detail
