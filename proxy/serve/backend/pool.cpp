#include "proxy/serve/backend/pool.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

#include "core/base/host.hpp"
#include "core/base/log.hpp"
#include "core/net/within.hpp"

namespace gatehouse::serve::backend {
namespace {

using Connection = http::H1ClientConnection;
using namespace std::chrono_literals;

constexpr auto sweep_every = 1s;

/// A server that vanished without a word would otherwise hold its answer, or a tunnel, for ever.
void keep_alive(int fd) {
  if (fd < 0) return;
  const int on = 1;
  const int idle_s = 60;
  const int interval_s = 15;
  const int probes = 4;
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

}  // namespace

// --- Lease

Lease::Lease(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) { ++pool_->standing_.in_flight; }

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  release();
  pool_ = std::move(other.pool_);
  connection_ = std::move(other.connection_);
  address_ = other.address_;
  reused_ = other.reused_;
  return *this;
}

void Lease::release() {
  if (!pool_) return;
  --pool_->standing_.in_flight;
  connection_.reset();
  pool_.reset();
}

void Lease::give_back() {
  if (connection_ && connection_->reusable()) pool_->take_back(std::move(connection_), address_);
  release();
}

// --- Pool

Pool::Pool(const Means& means, std::shared_ptr<const Plan> plan, const ServerPlan& server)
    : means_(means),
      plan_(std::move(plan)),
      server_(&server),
      sweeping_(means.wheel, this, &Pool::sweep) {
  standing_.weight = server.weight;
  standing_.backup = server.backup;
}

std::optional<Lease> Pool::take_idle(const std::shared_ptr<Pool>& pool) {
  while (!pool->idle_.empty()) {
    Idle newest = std::move(pool->idle_.back());
    pool->idle_.pop_back();
    if (!newest.connection->quiet()) continue;  // closed by the server, or it spoke unasked
    Lease lease(pool);
    lease.connection_ = std::move(newest.connection);
    lease.address_ = newest.address;
    lease.reused_ = true;
    return lease;
  }
  return {};
}

void Pool::take_back(std::unique_ptr<Connection> connection, const Address& address) {
  if (retired_ || idle_.size() >= plan_->idle_connections) return;
  const bool moved = !addresses_.empty() &&
                     std::find(addresses_.begin(), addresses_.end(), address) == addresses_.end();
  if (moved) return;  // the name leads elsewhere now
  connection->rest();
  connection->stream().deadline(net::Want::read, Steady::max());
  connection->stream().deadline(net::Want::write, Steady::max());
  idle_.push_back({std::move(connection), address, means_.clock.steady()});
  if (sweeping_.due() == Steady::max()) sweeping_.set(means_.clock.steady() + sweep_every);
}

/// Closes what has been idle too long or was closed by the server, so that descriptors come back.
void Pool::sweep(void* self) noexcept {
  Pool& pool = *static_cast<Pool*>(self);
  const Steady now = pool.means_.clock.steady();
  std::erase_if(pool.idle_, [&](Idle& idle) {
    return now - idle.since >= pool.plan_->idle_timeout || !idle.connection->quiet();
  });
  if (!pool.idle_.empty()) pool.sweeping_.set(now + sweep_every);
}

void Pool::failed(const Error& why) {
  ++failures_;
  standing_.avoid_until = means_.clock.steady() + avoidance(failures_);
  if (failures_ > 1) return;
  log::warn("server failed",
            {{"backend", plan_->name}, {"server", server_->text}, {"error", why.detail()}});
}

void Pool::served() {
  if (failures_ == 0) return;
  failures_ = 0;
  standing_.avoid_until = Steady::min();
  log::info("server answered again", {{"backend", plan_->name}, {"server", server_->text}});
}

void Pool::update(std::shared_ptr<const Plan> plan, const ServerPlan& server) {
  plan_ = std::move(plan);
  server_ = &server;
  standing_.weight = server.weight;
  standing_.backup = server.backup;
  if (idle_.size() > plan_->idle_connections) {
    const auto excess = static_cast<std::ptrdiff_t>(idle_.size() - plan_->idle_connections);
    idle_.erase(idle_.begin(), idle_.begin() + excess);
  }
}

void Pool::retire() {
  retired_ = true;
  idle_.clear();
  sweeping_.set(Steady::max());
}

bool Pool::has_name() const {
  return server_->target.unix_path.empty() && !as_address(server_->target.host);
}

awaitable<Result<Lease>> Pool::dial(std::shared_ptr<Pool> pool) {
  const Steady now = pool->means_.clock.steady();
  const Steady deadline = now + pool->plan_->connect_timeout;
  if (!pool->has_name()) {
    co_return co_await dial_one(pool, pool->server_->target, deadline);
  }
  const bool known = !pool->addresses_.empty();
  if (!known) {
    auto found = co_await resolve(pool, deadline);
    if (!found) co_return found.error();
  } else if (now - pool->resolved_ >= pool->plan_->resolve && !pool->refreshing_) {
    pool->refreshing_ = true;
    pool->means_.crew.add(refresh(pool));
  }
  auto lease = co_await dial_known(pool, deadline);
  if (lease || !known) co_return lease;
  // The addresses may be out of date: a server that moved answers where its name leads now.
  const auto before = pool->addresses_;
  auto found = co_await resolve(pool, deadline);
  if (!found || pool->addresses_ == before) co_return lease;
  co_return co_await dial_known(pool, deadline);
}

/// Each address in turn, beginning with another one each time; every one gets its share of the
/// time that is left, so that one that swallows packets does not spend it all.
awaitable<Result<Lease>> Pool::dial_known(std::shared_ptr<Pool> pool, Steady deadline) {
  const std::vector<Address> addresses = pool->addresses_;
  const std::size_t start = pool->next_address_++;
  Error last(Fault::refused, Side::server, "no address");
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const Steady now = pool->means_.clock.steady();
    if (i > 0 && now >= deadline) break;
    const Steady share = now + (deadline - now) / static_cast<int>(addresses.size() - i);
    net::Target target;
    target.host = addresses[(start + i) % addresses.size()].to_string();
    target.port = pool->server_->target.port;
    auto lease = co_await dial_one(pool, std::move(target), share);
    if (lease) co_return lease;
    last = lease.error();
  }
  co_return last;
}

awaitable<Result<Lease>> Pool::dial_one(std::shared_ptr<Pool> pool, net::Target target,
                                        Steady deadline) {
  Lease lease(pool);  // counts as in flight from here on
  const auto policy = pool->server_->tls;
  const std::string server_name = pool->server_->server_name;
  if (const auto address = as_address(target.host)) lease.address_ = *address;
  auto dialled =
      co_await pool->means_.dialer.dial(target, deadline, pool->means_.wheel, Side::server);
  if (!dialled) co_return dialled.error();
  std::unique_ptr<net::Stream> stream = std::move(*dialled);
  keep_alive(stream->descriptor());
  if (policy) {
    stream->deadline(net::Want::read, deadline);
    stream->deadline(net::Want::write, deadline);
    auto secured = co_await tls::connect_tls(std::move(stream), policy, server_name);
    if (!secured) {
      co_return std::move(secured).error().within("dial " + target.text() + " as " + server_name);
    }
    stream = std::move(*secured);
    stream->deadline(net::Want::read, Steady::max());
    stream->deadline(net::Want::write, Steady::max());
  }
  lease.connection_ = std::make_unique<Connection>(std::move(stream), pool->means_.buffers);
  co_return lease;
}

awaitable<Result<void>> Pool::resolve(std::shared_ptr<Pool> pool, Steady deadline) {
  const std::string host = pool->server_->target.host;
  auto asking = pool->means_.resolver.resolve(host);
  auto found = co_await net::within(pool->means_.clock, deadline, Side::server, std::move(asking));
  if (!found) co_return found.error();
  pool->resolved_ = pool->means_.clock.steady();
  std::vector<Address>& addresses = pool->addresses_;
  addresses = std::move(*found);
  std::erase_if(pool->idle_, [&](const Idle& idle) {
    return std::find(addresses.begin(), addresses.end(), idle.address) == addresses.end();
  });
  co_return Result<void>();
}

awaitable<void> Pool::refresh(std::shared_ptr<Pool> pool) {
  struct Done {
    Pool& pool;
    ~Done() { pool.refreshing_ = false; }
  };
  const Done done{*pool};
  auto found = co_await resolve(pool, pool->means_.clock.steady() + 10s);
  // Old addresses are better than none; the next dial asks again.
  if (!found)
    log::warn("name not resolved",
              {{"server", pool->server_->text}, {"error", found.error().detail()}});
}

}  // namespace gatehouse::serve::backend
