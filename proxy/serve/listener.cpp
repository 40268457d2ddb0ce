#include "proxy/serve/listener.hpp"

#include <algorithm>

#include "core/base/host.hpp"
#include "core/base/log.hpp"
#include "proxy/serve/listening.hpp"

namespace gatehouse::serve {
namespace {

using namespace std::chrono_literals;
using Sockets = std::map<std::string, std::vector<net::ListenSocket>>;

constexpr auto drain_look = 50ms;

net::ListenAddress address_of(const config::Listen& listen) {
  net::ListenAddress where;
  where.text = listen.text;
  where.port = listen.port;
  switch (listen.kind) {
    case config::Listen::Kind::any:
      where.kind = net::ListenAddress::Kind::any;
      break;
    case config::Listen::Kind::address:
      where.kind = net::ListenAddress::Kind::address;
      where.address = as_address(listen.address).value_or(asio::ip::address());
      break;
    case config::Listen::Kind::unix_path:
      where.kind = net::ListenAddress::Kind::unix_path;
      where.unix_path = listen.address;
      break;
    case config::Listen::Kind::descriptor:
      where.kind = net::ListenAddress::Kind::descriptor;
      where.descriptor = listen.descriptor;
      break;
  }
  return where;
}

Result<std::vector<net::ListenSocket>> one_each(const net::ListenAddress& where, net::Held held,
                                                std::size_t workers) {
  std::vector<net::ListenSocket> sockets;
  auto first = net::ListenSocket::open(where, held);
  if (!first) return first.error();
  sockets.push_back(std::move(*first));
  while (sockets.size() < workers) {
    auto next = sockets.front().sibling();
    if (!next) return std::move(next).error().within(where.text);
    sockets.push_back(std::move(*next));
  }
  return sockets;
}

/// Those that were only bound have passed every test that the kernel makes, so this does not fail
/// while it has memory.
void listen_on_all(const Sockets& opened) {
  for (const auto& [address, sockets] : opened) {
    for (const net::ListenSocket& socket : sockets) {
      const auto listening = socket.listen();
      if (listening) continue;
      log::error("listener failed", {{"address", address}, {"error", listening.error().detail()}});
    }
  }
}

void begin_listening(Worker& worker, Sockets& sockets) {
  if (!worker.listening) worker.listening = std::make_shared<Listening>(worker);
  for (auto& [address, each] : sockets) {
    worker.listening->add(address, std::move(each[worker.index]));
  }
}

void end_listening(Worker& worker, const std::vector<std::string>& addresses) {
  for (const std::string& address : addresses) {
    if (worker.listening) worker.listening->remove(address);
    worker.connections.retire(address);
  }
}

void begin_drain(Worker& worker) {
  worker.draining = true;
  if (worker.listening) worker.listening->remove_all();
  worker.connections.retire();
}

}  // namespace

/// Whether a listener that `wanted` has no more gives its port to `where`.
net::Held Listeners::held(const net::ListenAddress& where, const Snapshot& wanted) const {
  const bool ours = std::any_of(open_.begin(), open_.end(), [&](const auto& open) {
    return wanted.endpoint(open.first) == nullptr && net::overlap(open.second.bound, where);
  });
  return ours ? net::Held::by_us : net::Held::by_nobody;
}

Result<Listeners::Opened> Listeners::open(const Snapshot& wanted) {
  Opened opened;
  for (const Endpoint& endpoint : wanted.endpoints()) {
    if (open_.contains(endpoint.listen.text)) continue;
    const net::ListenAddress where = address_of(endpoint.listen);
    auto sockets = one_each(where, held(where, wanted), workers_.size());
    if (!sockets) return sockets.error();
    opened.by_address.emplace(endpoint.listen.text, std::move(*sockets));
  }
  return opened;
}

awaitable<void> Listeners::apply(Opened opened, std::shared_ptr<const Snapshot> wanted) {
  std::vector<std::string> gone;
  for (const auto& [address, open] : open_) {
    if (wanted->endpoint(address) == nullptr) gone.push_back(address);
  }
  for (const auto& [address, sockets] : opened.by_address) {
    open_[address] = Open{address, sockets.front().port(), sockets.front().bound()};
    log::info("listener opened", {{"address", address}, {"port", sockets.front().port()}});
  }
  listen_on_all(opened.by_address);
  const Workers::Job begin = [&](Worker& worker) { begin_listening(worker, opened.by_address); };
  co_await workers_.on_each(begin);
  const Workers::Job end = [&](Worker& worker) { end_listening(worker, gone); };
  co_await workers_.on_each(end);
  for (const std::string& address : gone) {
    open_.erase(address);
    log::info("listener closed", {{"address", address}});
  }
}

awaitable<Result<void>> Listeners::reconcile(std::shared_ptr<const Snapshot> wanted) {
  auto opened = open(*wanted);
  if (!opened) co_return opened.error();
  co_await apply(std::move(*opened), wanted);
  co_return Result<void>();
}

std::vector<Listeners::Open> Listeners::open_addresses() const {
  std::vector<Open> all;
  for (const auto& [address, open] : open_) all.push_back(open);
  return all;
}

awaitable<std::size_t> Listeners::drain(Clock& clock, const Steady& deadline) {
  const Workers::Job begin = [](Worker& worker) { begin_drain(worker); };
  co_await workers_.on_each(begin);
  open_.clear();
  for (;;) {
    const Counters now = co_await workers_.counters();
    if (now.open == 0) co_return 0;
    if (clock.steady() >= deadline) {
      const Workers::Job cut = [](Worker& worker) { worker.cut_connections(); };
      co_await workers_.on_each(cut);
      co_return now.open;
    }
    co_await clock.sleep_until(std::min(deadline, clock.steady() + drain_look));
  }
}

}  // namespace gatehouse::serve
