#include "proxy/serve/backend/addresses.hpp"

#include <algorithm>

#include "core/base/host.hpp"
#include "core/base/log.hpp"
#include "core/base/race.hpp"
#include "core/net/within.hpp"

namespace gatehouse::serve::backend {
namespace {

using namespace std::chrono_literals;
using Address = Addresses::Address;

// RFC 8305 §5: the recommended time that an attempt has for itself.
constexpr auto head_start = 250ms;
constexpr auto avoidance_of_address = 10s;
// A name that leads to more is not tried any further in one go.
constexpr std::size_t most_attempts = 8;
constexpr auto refresh_patience = 10s;

/// Never comes back: ends with the cancellation of the side of a race that it holds open.
awaitable<void> park() {
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer parked(executor, Steady::max());
  for (;;) co_await parked.async_wait(as_result);
}

}  // namespace

/// Two attempts of a race, the earlier and all later ones, as they see each other. Either that
/// fails while the other is still at it leaves the outcome to that one.
struct Addresses::Step {
  explicit Step(const asio::any_io_executor& executor) : over(executor, Steady::max()) {}
  asio::steady_timer over;  // a condition: the earlier attempt has failed
  bool failed = false;
  bool others_failed = false;
  Error why;
};

Addresses::Addresses(const Means& means, net::Target target, std::chrono::milliseconds resolve)
    : means_(means),
      target_(std::move(target)),
      named_(target_.unix_path.empty() && !as_address(target_.host)),
      resolve_(resolve) {}

bool Addresses::lead_to(const Address& address) const {
  if (!named_ || known_.empty()) return true;
  const auto same = [&](const Known& known) { return known.address == address; };
  return std::any_of(known_.begin(), known_.end(), same);
}

void Addresses::failed(const Address& address) {
  for (Known& known : known_) {
    if (known.address == address) {
      known.avoid_until = means_.clock.steady() + avoidance_of_address;
    }
  }
}

awaitable<Result<Way>> Addresses::connect(Self self, Steady deadline) {
  if (!self->named_) {
    auto straight = co_await connect_one(self, self->target_, deadline);
    co_return straight;
  }
  const bool fresh = self->known_.empty();
  if (fresh) {
    auto found = co_await resolve(self, deadline);
    if (!found) co_return found.error();
  } else {
    refresh_when_due(self);
  }
  auto way = co_await connect_known(self, deadline);
  if (way || fresh) co_return way;
  // What we know may be out of date: a server that moved answers where its name leads now.
  const auto before = self->known_;
  auto found = co_await resolve(self, deadline);
  const auto known_before = [&](const Known& now) {
    return std::any_of(before.begin(), before.end(),
                       [&](const Known& then) { return then.address == now.address; });
  };
  const auto& now = self->known_;
  if (!found || std::all_of(now.begin(), now.end(), known_before)) co_return way;
  auto again = co_await connect_known(self, deadline);
  co_return again;
}

/// From the address whose turn it is, families alternating as RFC 8305 §4 has it, those that failed
/// a short while ago last.
std::vector<net::Target> Addresses::order() {
  std::vector<Known> good;
  std::vector<Known> doubtful;
  const Steady now = means_.clock.steady();
  const std::size_t start = first_++;
  for (std::size_t i = 0; i < known_.size(); ++i) {
    const Known& known = known_[(start + i) % known_.size()];
    (known.avoid_until > now ? doubtful : good).push_back(known);
  }
  for (std::size_t i = 1; i < good.size(); ++i) {
    const bool six = good[i - 1].address.is_v6();
    const auto at = good.begin() + static_cast<std::ptrdiff_t>(i);
    const auto other = std::find_if(
        at, good.end(), [six](const Known& known) { return known.address.is_v6() != six; });
    if (other != good.end()) std::rotate(at, other, other + 1);
  }
  good.insert(good.end(), doubtful.begin(), doubtful.end());
  std::vector<net::Target> out;
  for (const Known& known : good) {
    if (out.size() == most_attempts) break;
    net::Target target;
    target.host = known.address.to_string();
    target.port = target_.port;
    out.push_back(std::move(target));
  }
  return out;
}

awaitable<Result<Way>> Addresses::connect_known(Self self, Steady deadline) {
  auto order = self->order();
  auto way = co_await connect_from(std::move(self), std::move(order), 0, deadline);
  co_return way;
}

awaitable<Result<Way>> Addresses::connect_from(Self self, std::vector<net::Target> order,
                                               std::size_t at, Steady deadline) {
  net::Target here = order[at];
  if (at + 1 == order.size()) {
    auto last = co_await connect_one(std::move(self), std::move(here), deadline);
    co_return last;
  }
  auto executor = co_await asio::this_coro::executor;
  Step step(executor);
  std::optional<Result<Way>> way;
  auto trying = keep(try_here(self, std::move(here), deadline, step), way);
  std::optional<Result<Way>> other;
  auto others = keep(try_next(self, std::move(order), at + 1, deadline, step), other);
  const auto first = co_await race(std::move(trying), std::move(others));
  co_return first == 0 ? std::move(*way) : std::move(*other);
}

awaitable<Result<Way>> Addresses::try_here(Self self, net::Target target, Steady deadline,
                                           Step& step) {
  auto way = co_await connect_one(std::move(self), std::move(target), deadline);
  if (way || step.others_failed) co_return way;
  step.failed = true;
  step.why = way.error();
  step.over.cancel();
  co_await park();
  co_return way;
}

awaitable<Result<Way>> Addresses::try_next(Self self, std::vector<net::Target> order,
                                           std::size_t at, Steady deadline, Step& step) {
  if (!step.failed) {
    auto patience = self->means_.clock.wait_until(self->means_.clock.steady() + head_start);
    auto failed = drop(step.over.async_wait(as_result));
    co_await race(std::move(patience), std::move(failed));
  }
  const auto slow = as_address(order[at - 1].host);
  auto way = co_await connect_from(self, std::move(order), at, deadline);
  // The other one had its head start and was overtaken, or refused.
  if (way && slow) self->failed(*slow);
  if (way || step.failed) co_return way;
  step.others_failed = true;
  co_await park();
  co_return way;
}

awaitable<Result<Way>> Addresses::connect_one(Self self, net::Target target, Steady deadline) {
  Way way;
  if (const auto address = as_address(target.host)) way.address = *address;
  auto dialled = co_await self->means_.dialer.dial(std::move(target), deadline, self->means_.wheel,
                                                   Side::server);
  if (!dialled) {
    self->failed(way.address);
    co_return dialled.error();
  }
  way.stream = std::move(*dialled);
  co_return way;
}

awaitable<Result<void>> Addresses::resolve(Self self, Steady deadline) {
  auto asking = self->means_.resolver.look_up(self->target_.host);
  auto found = co_await net::within(self->means_.clock, deadline, Side::server, std::move(asking));
  if (!found) co_return found.error();
  std::chrono::milliseconds holds = self->resolve_;
  if (found->ttl.count() > 0) holds = std::min<std::chrono::milliseconds>(holds, found->ttl);
  self->due_ = self->means_.clock.steady() + holds;
  const auto before = std::move(self->known_);
  self->known_.clear();
  for (const Address& address : found->addresses) {
    Known known;
    known.address = address;
    for (const Known& old : before) {
      if (old.address == address) known.avoid_until = old.avoid_until;
    }
    self->known_.push_back(known);
  }
  co_return Result<void>();
}

void Addresses::refresh_when_due(const Self& self) {
  if (!self->named_ || self->known_.empty() || self->refreshing_) return;
  if (self->means_.clock.steady() < self->due_) return;
  self->refreshing_ = true;
  self->means_.crew.add(refresh(self));
}

awaitable<void> Addresses::refresh(Self self) {
  struct Done {
    Addresses& addresses;
    ~Done() { addresses.refreshing_ = false; }
  };
  const Done done{*self};
  auto found = co_await resolve(self, self->means_.clock.steady() + refresh_patience);
  if (found) co_return;
  // Old addresses are better than none; a dial that fails asks again.
  self->due_ =
      self->means_.clock.steady() + std::min<std::chrono::milliseconds>(self->resolve_, 5s);
  log::warn("name not resolved", {{"name", self->target_.host}, {"error", found.error().detail()}});
}

}  // namespace gatehouse::serve::backend
