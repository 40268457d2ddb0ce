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
using Kind = backend::Choice::Kind;

constexpr auto alert_patience = 2s;

/// The way to a server for one connection: the one that the policy chooses, or others when that
/// cannot be reached. Its place at the server is taken as long as this lives.
class Approach {
 public:
  Approach(Worker& worker, RequestFacts& facts, std::shared_ptr<backend::Backend> backend)
      : worker_(worker),
        facts_(facts),
        backend_(std::move(backend)),
        plan_(backend_->plan()),
        passage_(*backend_),
        retries_left_(plan_->retries) {}

  awaitable<Result<Lease>> reach();

 private:
  backend::Wish wish() const;
  awaitable<Result<backend::Choice>> choose();
  Error no_server(Kind kind);
  bool again(const Error& error, backend::Pool& pool, bool probe);

  Worker& worker_;
  RequestFacts& facts_;
  std::shared_ptr<backend::Backend> backend_;
  std::shared_ptr<const backend::Plan> plan_;
  backend::Backend::Passage passage_;
  backend::Slot slot_;
  std::vector<const backend::Pool*> tried_;
  std::uint32_t retries_left_;
};

awaitable<Result<Lease>> Approach::reach() {
  for (;;) {
    auto choice = co_await choose();
    if (!choice) co_return choice.error();
    const std::shared_ptr<backend::Pool> pool = std::move(choice->pool);
    slot_ = std::move(choice->slot);
    ++facts_.attempts;
    facts_.server = pool->server().text;
    std::string opening = introduction(*plan_, facts_);
    auto leased = co_await backend::Pool::dial(pool, backend::Need::octets, std::move(opening));
    if (leased) {
      backend_->served(*pool, choice->probe);
      facts_.backend_time = worker_.clock.steady() - facts_.began;
      co_return std::move(*leased);
    }
    slot_.release();
    if (!again(leased.error(), *pool, choice->probe)) co_return leased.error();
  }
}

/// Of a request nothing is known but who asks.
backend::Wish Approach::wish() const {
  backend::Wish wish(tried_);
  wish.may_probe = true;  // nothing has been sent when it fails
  if (plan_->policy == backend::Policy::hash && plan_->key_of == backend::KeyOf::client) {
    wish.key = backend::stable_hash(facts_.client_ip.to_string());
  }
  return wish;
}

/// Waits for its turn where every server has all its max_requests, as long as it may take to be
/// connected to one.
awaitable<Result<backend::Choice>> Approach::choose() {
  const Steady deadline = worker_.clock.steady() + plan_->connect_timeout;
  backend::Wish wanted = wish();
  backend::Choice choice = backend_->choose(wanted);
  while (choice.kind == Kind::full) {
    backend_->listen();
    choice = backend_->choose(wanted);
    if (wanted.called && choice.kind != Kind::full) backend_->call_next();
    if (choice.kind != Kind::full) break;
    wanted.called = co_await backend_->wait(deadline, wanted.called);
    if (!wanted.called) break;
  }
  if (choice.kind != Kind::server) co_return no_server(choice.kind);
  co_return choice;
}

Error Approach::no_server(Kind kind) {
  facts_.rejected = kind == Kind::full ? "queue_full" : "no_server";
  return Error(Fault::limit, Side::self,
               kind == Kind::full ? "every server is at its max_requests" : "no server is healthy");
}

bool Approach::again(const Error& error, backend::Pool& pool, bool probe) {
  using Avoid = backend::Backend::Avoid;
  Failure failure;
  failure.fault = error.fault();
  failure.side = error.side();
  failure.replayable = true;
  failure.server_left = retries_left_ > 0;
  failure.retry_on = plan_->retry_on;
  const Remedy what = remedy(failure);
  if (what.counts || what.server_failed) {
    backend_->failed(pool, error, probe, what.server_failed ? Avoid::yes : Avoid::no);
  }
  if (what.retry != Remedy::Retry::next_server) return false;
  tried_.push_back(&pool);
  if (!backend_->has_other(tried_) || !passage_.may_retry()) return false;
  --retries_left_;
  return true;
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
  if (!facts_.rejected.empty()) worker_.counters.reject(facts_.rejected);
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
  Approach approach(worker_, facts_, std::move(backend));
  auto lease = co_await approach.reach();
  if (!lease) {
    // The handshake was never ours, and yet a word is better than silence.
    const std::string alert = tls::plain_alert(static_cast<std::uint8_t>(Alert::internal_error));
    client.deadline(Want::write, worker_.clock.steady() + alert_patience);
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
