// A connection whose TLS is not ours, on its way to a server: all that comes is carried, from the
// ClientHello's first octet on.

#include "core/tls/hello_peeker.hpp"
#include "proxy/serve/backend/pools.hpp"
#include "proxy/serve/detail/transaction.hpp"
#include "proxy/serve/failure_table.hpp"
#include "proxy/serve/hello.hpp"
#include "proxy/serve/introduction.hpp"
#include "proxy/serve/tunnel.hpp"

namespace gatehouse::serve::detail {
namespace {

using namespace std::chrono_literals;
using backend::Lease;
using net::Want;

constexpr auto farewell_patience = 2s;

/// A connection to the server that the policy chooses; to another one when that cannot be reached.
awaitable<Result<Lease>> reach(Worker& worker, std::shared_ptr<backend::Backend> backend,
                               RequestFacts& facts) {
  const std::shared_ptr<const backend::Plan> plan = backend->plan();
  backend::Backend::Passage passage(*backend);
  std::vector<const backend::Pool*> tried;
  Failure failure;
  failure.replayable = true;
  for (std::uint32_t retries_left = plan->retries;; --retries_left) {
    const std::shared_ptr<backend::Pool> pool = backend->choose(tried);
    if (!pool) co_return Error(Fault::limit, Side::self, "no server to choose from");
    ++facts.attempts;
    facts.server = pool->server().text;
    std::string opening = introduction(*plan, facts);
    auto leased = co_await backend::Pool::dial(pool, std::move(opening));
    if (leased) {
      pool->served();
      facts.backend_time = worker.clock.steady() - facts.began;
      co_return std::move(*leased);
    }
    failure.fault = leased.error().fault();
    failure.side = leased.error().side();
    failure.server_left = retries_left > 0;
    const Remedy what = remedy(failure);
    if (what.server_failed) pool->failed(leased.error());
    tried.push_back(pool.get());
    const bool again =
        what.retry == Remedy::Retry::next_server && backend->choose(tried) && passage.may_retry();
    if (!again) co_return leased.error();
  }
}

}  // namespace

awaitable<void> Transaction::pass_through(net::Stream& client, const Snapshot& snapshot,
                                          const Site& site, std::string hello) {
  const LiveConnections::Tunnel tunnel(worker_.connections);
  http::RequestHead none;
  none.host = facts_.tls->sni;
  begin_request(none, snapshot);
  facts_.site = &site;
  facts_.route = &site.routes.front();
  facts_.tunnel = true;
  facts_.passed_through = true;
  std::exception_ptr cut;
  try {
    auto carried = co_await carry_octets(client, std::move(hello));
    if (!carried) facts_.error = carried.error().detail();
  } catch (...) {
    cut = std::current_exception();  // cancelled, or our bug: it has its line all the same
    if (facts_.error.empty()) facts_.error = "cut";
  }
  worker_.counters.bytes_in += facts_.bytes_in;
  worker_.counters.bytes_out += facts_.bytes_out;
  log_line(none);
  if (cut) std::rethrow_exception(cut);
}

awaitable<Result<void>> Transaction::carry_octets(net::Stream& client, std::string hello) {
  facts_.backend = facts_.route->settings.backend;
  auto backend = worker_.pools->find(facts_.backend);
  if (!backend) co_return Error(Fault::not_found, Side::self, "no such backend");
  client.deadline(Want::read, Steady::max());
  auto lease = co_await reach(worker_, std::move(backend), facts_);
  if (!lease) {
    // The handshake was never ours, and yet a word is better than silence.
    const std::string alert = tls::plain_alert(static_cast<std::uint8_t>(Alert::internal_error));
    client.deadline(Want::write, worker_.clock.steady() + farewell_patience);
    const auto told = co_await client.write(alert);
    if (told) client.shutdown_write();
    co_return lease.error();
  }
  TunnelLimits limits;
  limits.half_closed = 10min;  // an answer may be long after its request has ended
  limits.write_idle = facts_.snapshot->server().timeouts.write_idle;
  TunnelEnd client_end{client, std::move(hello)};
  TunnelEnd server_end{lease->stream(), {}};
  const TunnelCounts moved = co_await run_tunnel(
      worker_.clock, worker_.buffers, std::move(client_end), std::move(server_end), limits);
  facts_.bytes_in = moved.from_client;
  facts_.bytes_out = moved.from_server;
  co_return Result<void>();
}

}  // namespace gatehouse::serve::detail
