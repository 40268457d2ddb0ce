#include "proxy/serve/backend/pool.hpp"

#include <algorithm>

#include "core/base/log.hpp"
#include "core/net/tcp_options.hpp"

namespace gatehouse::serve::backend {
namespace {

using Connection = http::H1ClientConnection;
using namespace std::chrono_literals;

constexpr auto sweep_every = 1s;
// Servers of gRPC take it amiss when a silent connection is asked for a sign of life more often
// than every five minutes. A host that is gone is found by TCP's own probes.
constexpr auto ping_every = 6min;
constexpr std::size_t most_streams = 100;  // of one connection, where the server allows as many

Error no_websockets() {
  return Error(Fault::denied, Side::self, "server takes no WebSockets over HTTP/2");
}

}  // namespace

// --- Lease

Lease::Lease(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) { ++pool_->standing_.in_flight; }

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  release();
  pool_ = std::move(other.pool_);
  stream_ = std::move(other.stream_);
  connection_ = std::move(other.connection_);
  address_ = other.address_;
  reused_ = other.reused_;
  return *this;
}

void Lease::release() {
  if (!pool_) return;
  --pool_->standing_.in_flight;
  stream_.reset();
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
  standing_.priority = server.priority;
  standing_.backup = server.backup;
  standing_.hash = stable_hash(server.text);
}

/// What others that need a connection wait for.
struct Pool::Dialling {
  explicit Dialling(const Pool& pool) : over(pool.means_.crew.executor(), Steady::max()) {}
  asio::steady_timer over;  // a condition
  std::optional<Error> failure;

  /// The one who dials. However that ends, the others go on.
  class Turn {
   public:
    explicit Turn(Pool& pool) : pool_(pool), dialling_(std::make_shared<Dialling>(pool)) {
      pool_.dialling_ = dialling_;
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
      if (pool_.dialling_ == dialling_) pool_.dialling_ = nullptr;
      dialling_->over.cancel();
    }
    void failed(const Error& why) { dialling_->failure = why; }

   private:
    Pool& pool_;
    std::shared_ptr<Dialling> dialling_;
  };
};

/// The oldest connection that has room: few of them, well used.
bool Pool::take_stream(const std::shared_ptr<Pool>& pool, Need need, Lease& into) {
  if (pool->shared_.empty()) return false;
  std::erase_if(pool->shared_, [](const auto& shared) { return !shared->connection().open(); });
  for (const auto& shared : pool->shared_) {
    if (need == Need::websocket && !shared->connection().takes_websockets()) continue;
    const bool used = shared->used();
    into.stream_ = shared->begin();
    if (!into.stream_) continue;
    into.address_ = shared->address();
    into.reused_ = used;
    return true;
  }
  return false;
}

std::optional<Lease> Pool::take_idle(const std::shared_ptr<Pool>& pool, Need need, Again again) {
  Lease lease(pool);
  if (take_stream(pool, need, lease)) return lease;
  while (!pool->idle_.empty()) {
    Idle newest = std::move(pool->idle_.back());
    pool->idle_.pop_back();
    // Closed by the server, or it spoke unasked.
    http::H1ClientConnection& idle = *newest.connection;
    if (!(again == Again::may ? idle.quiet_as_known() : idle.quiet())) continue;
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
  std::erase_if(pool.shared_, [&](const auto& shared) {
    const bool elsewhere = !pool.addresses_->lead_to(shared->address());
    if (elsewhere) shared->connection().retire();
    return elsewhere || !shared->connection().open();
  });
  if (pool.idle_.empty() && pool.shared_.empty()) return;
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
  standing_.priority = server.priority;
  standing_.backup = server.backup;
  if (idle_.size() > plan_->idle_connections) {
    const auto excess = static_cast<std::ptrdiff_t>(idle_.size() - plan_->idle_connections);
    idle_.erase(idle_.begin(), idle_.begin() + excess);
  }
}

void Pool::retire() {
  retired_ = true;
  idle_.clear();
  for (const auto& shared : shared_) shared->connection().retire();
  shared_.clear();
  sweeping_.set(Steady::max());
}

/// Whether a new connection may turn out to serve more than one request.
bool Pool::may_share(Need need) const {
  if (need == Need::octets || plan_->proxy_protocol != 0) return false;  // one client's alone
  switch (server_->protocol) {
    case Protocol::h1:
      return false;
    case Protocol::h2:
      return true;
    case Protocol::by_server:
      return need == Need::exchange && !chose_h1_;
  }
  return false;
}

awaitable<Result<Lease>> Pool::dial(std::shared_ptr<Pool> pool, Need need,
                                    std::string introduction) {
  Lease lease(pool);  // counts as in flight from here on
  while (pool->may_share(need)) {
    if (take_stream(pool, need, lease)) co_return lease;
    // A server of h2c has said what it takes: another connection would hear no better.
    if (need == Need::websocket && !pool->shared_.empty()) {
      const http::H2ClientConnection& known = pool->shared_.back()->connection();
      if (!known.takes_websockets()) co_return no_websockets();
    }
    const auto other = pool->dialling_;
    if (!other) break;
    co_await other->over.async_wait(as_result);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
      co_return Error(Fault::closed, Side::self, "cancelled");
    }
    if (other->failure) co_return *other->failure;
  }
  std::optional<Dialling::Turn> turn;
  if (pool->may_share(need)) turn.emplace(*pool);
  auto connected = co_await connect(pool, need, std::move(introduction), lease);
  if (!connected) {
    if (turn) turn->failed(connected.error());
    co_return connected.error();
  }
  co_return lease;
}

awaitable<Result<void>> Pool::connect(std::shared_ptr<Pool> pool, Need need,
                                      std::string introduction, Lease& into) {
  const Steady deadline = pool->means_.clock.steady() + pool->plan_->connect_timeout;
  const auto policy = pool->server_->tls;
  const std::string server_name = pool->server_->server_name;
  bool h2 = pool->server_->protocol == Protocol::h2 && need != Need::octets;
  auto way = co_await Addresses::connect(pool->addresses_, deadline);
  if (!way) co_return way.error();
  into.address_ = way->address;
  std::unique_ptr<net::Stream> stream = std::move(way->stream);
  net::keep_alive(stream->descriptor());
  stream->deadline(net::Want::read, deadline);
  stream->deadline(net::Want::write, deadline);
  auto introduced = co_await stream->write(introduction);
  if (!introduced) co_return std::move(introduced).error().within("dial " + pool->server_->text);
  if (policy) {
    // HTTP/2 to a server that is not known to take WebSockets over it would be of no use.
    std::vector<std::string> alpn;
    if (need != Need::exchange) alpn.emplace_back("http/1.1");
    auto secured =
        co_await tls::connect_tls(std::move(stream), policy, server_name, std::move(alpn));
    if (!secured) {
      pool->addresses_->failed(into.address_);
      net::Target at = pool->server_->target;
      at.host = into.address_.to_string();
      const std::string doing = "dial " + at.text() + " as " + server_name;
      co_return std::move(secured).error().within(doing);
    }
    stream = std::move(*secured);
    const tls::SessionFacts* const facts = tls::facts_of(*stream);
    h2 = facts != nullptr && facts->alpn == "h2";
    if (need == Need::exchange) pool->chose_h1_ = !h2;
  }
  stream->deadline(net::Want::read, Steady::max());
  stream->deadline(net::Want::write, Steady::max());
  if (h2) {
    auto shared = co_await share(pool, std::move(stream), need, deadline, into);
    co_return shared;
  }
  into.connection_ = std::make_unique<Connection>(std::move(stream), pool->means_.buffers);
  co_return Result<void>();
}

/// Makes an HTTP/2 connection of the stream and takes the first of its exchanges. The server's
/// SETTINGS are waited for: what they allow is known then, and that it speaks HTTP/2 at all.
awaitable<Result<void>> Pool::share(std::shared_ptr<Pool> pool, std::unique_ptr<net::Stream> stream,
                                    Need need, Steady deadline, Lease& into) {
  http::H2ClientSettings settings;
  settings.streams = most_streams;
  settings.idle = pool->plan_->idle_timeout;
  settings.ping_every = ping_every;
  settings.scheme = pool->server_->tls ? "https" : "http";
  auto shared = std::make_shared<Shared>(pool->means_, std::move(stream), into.address_, settings);
  struct Unkept {
    Shared* shared;
    ~Unkept() {
      if (shared != nullptr) shared->connection().retire();
    }
  };
  Unkept unkept{shared.get()};
  pool->means_.crew.add(Shared::serve(shared));
  auto greeted = co_await shared->connection().greeting(deadline);
  if (!greeted) {
    pool->addresses_->failed(into.address_);
    co_return std::move(greeted).error().within("dial " + pool->server_->text);
  }
  if (pool->retired_ || pool->plan_->proxy_protocol != 0) {
    into.stream_ = shared->begin();  // ends with it
  } else {
    unkept.shared = nullptr;
    pool->shared_.push_back(shared);
    const Steady now = pool->means_.clock.steady();
    if (pool->sweeping_.due() == Steady::max()) pool->sweeping_.set(now + sweep_every);
    if (need == Need::websocket && !shared->connection().takes_websockets()) {
      co_return no_websockets();
    }
    into.stream_ = shared->begin();
  }
  if (into.stream_) co_return Result<void>();
  co_return Error(Fault::refused, Side::server, "server allows no stream");
}

}  // namespace gatehouse::serve::backend
