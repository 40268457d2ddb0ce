#include "proxy/serve/listening.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "core/base/log.hpp"
#include "core/http/exchange.hpp"
#include "core/net/socket_stream.hpp"
#include "proxy/serve/connection.hpp"

namespace gatehouse::serve {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t batch = 64;
constexpr auto pause_without_means = 100ms;

constexpr std::size_t part_that_makes_way = 16;        // of all, at a time
constexpr std::size_t descriptors_per_connection = 2;  // to the client and to a server

bool out_of_means(int code) {
  return code == EMFILE || code == ENFILE || code == ENOMEM || code == ENOBUFS;
}

}  // namespace

Door::Door(asio::io_context& io, std::string name, net::ListenSocket listening)
    : address(std::move(name)),
      port(listening.port()),
      socket(io, listening.release()),
      pause(io) {}

std::shared_ptr<const Snapshot> Door::snapshot(const Worker& worker) const {
  return last ? last : worker.snapshot;
}

Listening::Listening(Worker& worker) : worker_(worker) {
  worker_.connections.on_leave([this] { made_room(); });
}

Listening::~Listening() { worker_.connections.on_leave({}); }

void Listening::add(std::string address, net::ListenSocket socket) {
  auto door = std::make_shared<Door>(worker_.io, address, std::move(socket));
  doors_.insert_or_assign(std::move(address), door);
  worker_.crew.add(accept_all(std::move(door)));
}

void Listening::change_over(const Snapshot& next) {
  for (const auto& [address, door] : doors_) {
    if (next.endpoint(address) == nullptr) door->last = worker_.snapshot;
  }
}

void Listening::remove(const std::string& address) {
  const auto found = doors_.find(address);
  if (found == doors_.end()) return;
  // A client whose connection waits in this queue was told that it is connected.
  accept_batch(found->second, std::numeric_limits<std::size_t>::max());
  boost::system::error_code ignored;
  found->second->socket.close(ignored);
  doors_.erase(found);
}

void Listening::remove_all() {
  while (!doors_.empty()) remove(doors_.begin()->first);
}

void Listening::made_room() {
  if (pausing_ == 0) return;
  for (const auto& [address, door] : doors_) door->pause.cancel();
}

std::size_t Listening::room() const {
  const Snapshot* const snapshot = worker_.snapshot.get();
  std::size_t most = snapshot != nullptr ? snapshot->server().max_connections : 0;
  if (most == 0) most = worker_.around.open_files / descriptors_per_connection;
  const std::size_t share = std::max<std::size_t>(most / worker_.of_workers, 1);
  const std::size_t open = worker_.connections.count();
  return share > open ? share - open : 0;
}

void Listening::ask_for_room() {
  const Steady now = worker_.clock.steady();
  if (now < ask_again_) return;
  ask_again_ = now + http::ServerConnection::drain_grace;
  worker_.connections.make_way(1 + worker_.connections.count() / part_that_makes_way);
}

awaitable<void> Listening::accept_all(std::shared_ptr<Door> door) {
  while (door->socket.is_open()) {
    const auto [ec] =
        co_await door->socket.async_wait(asio::posix::stream_descriptor::wait_read, as_result);
    if (ec || !door->socket.is_open()) co_return;
    const std::size_t free = room();
    bool going_on = free > 0;
    if (going_on) going_on = accept_batch(door, std::min(batch, free));
    if (going_on) continue;
    // Past the limit, or out of descriptors or memory: new connections wait in the kernel's queue,
    // those we have are served.
    if (free > 0) ++worker_.counters.accept_pauses;
    ask_for_room();
    ++pausing_;
    door->pause.expires_after(pause_without_means);
    co_await door->pause.async_wait(as_result);
    --pausing_;
  }
}

bool Listening::accept_batch(const std::shared_ptr<Door>& door, std::size_t most) {
  for (std::size_t i = 0; i < most; ++i) {
    const Accepted got = accept_one(door);
    if (got != Accepted::one) return got == Accepted::none;
  }
  return true;
}

Listening::Accepted Listening::accept_one(const std::shared_ptr<Door>& door) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const int fd = ::accept4(door->socket.native_handle(), reinterpret_cast<sockaddr*>(&address),
                           &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Accepted::none;
    // Whatever befell that one connection, the next may be well (accept(2)).
    return out_of_means(errno) ? Accepted::no_means : Accepted::one;
  }
  Arrival arrival;
  arrival.door = door;
  std::tie(arrival.peer, arrival.peer_port) = net::address_of(&address);
  auto stream =
      std::make_unique<net::SocketStream>(worker_.executor(), fd, worker_.wheel, Side::client);
  ++worker_.counters.connections;
  worker_.clients.add(serve_connection(worker_, std::move(stream), std::move(arrival)));
  return Accepted::one;
}

}  // namespace gatehouse::serve
