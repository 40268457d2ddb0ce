#include "proxy/serve/backend/pool.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

#include "core/base/log.hpp"

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
      vitals_(server.vitals),
      addresses_(std::make_shared<Addresses>(means, server.target, plan_->resolve)),
      sweeping_(means.wheel, this, &Pool::sweep) {
  standing_.weight = server.weight;
  standing_.backup = server.backup;
  standing_.hash = stable_hash(server.text);
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
  if (!addresses_->lead_to(address)) return;
  if (plan_->proxy_protocol != 0) return;  // introduced as one client's
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
    return now - idle.since >= pool.plan_->idle_timeout || !idle.connection->quiet() ||
           !pool.addresses_->lead_to(idle.address);
  });
  if (pool.idle_.empty()) return;
  // Connections that live on would hide for ever that the name leads elsewhere.
  Addresses::refresh_when_due(pool.addresses_);
  pool.sweeping_.set(now + sweep_every);
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
  addresses_->resolve_every(plan_->resolve);
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

awaitable<Result<Lease>> Pool::dial(std::shared_ptr<Pool> pool, std::string introduction) {
  const Steady deadline = pool->means_.clock.steady() + pool->plan_->connect_timeout;
  Lease lease(pool);  // counts as in flight from here on
  const auto policy = pool->server_->tls;
  const std::string server_name = pool->server_->server_name;
  auto way = co_await Addresses::connect(pool->addresses_, deadline);
  if (!way) co_return way.error();
  lease.address_ = way->address;
  std::unique_ptr<net::Stream> stream = std::move(way->stream);
  keep_alive(stream->descriptor());
  stream->deadline(net::Want::read, deadline);
  stream->deadline(net::Want::write, deadline);
  auto introduced = co_await stream->write(introduction);
  if (!introduced) co_return std::move(introduced).error().within("dial " + pool->server_->text);
  if (policy) {
    auto secured = co_await tls::connect_tls(std::move(stream), policy, server_name);
    if (!secured) {
      pool->addresses_->failed(lease.address_);
      net::Target at = pool->server_->target;
      at.host = lease.address_.to_string();
      const std::string doing = "dial " + at.text() + " as " + server_name;
      co_return std::move(secured).error().within(doing);
    }
    stream = std::move(*secured);
  }
  stream->deadline(net::Want::read, Steady::max());
  stream->deadline(net::Want::write, Steady::max());
  lease.connection_ = std::make_unique<Connection>(std::move(stream), pool->means_.buffers);
  co_return lease;
}

}  // namespace gatehouse::serve::backend
