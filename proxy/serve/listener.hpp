#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/net/listen_socket.hpp"
#include "proxy/serve/worker.hpp"

namespace gatehouse::serve {

/// The listening sockets of all workers: one per address and worker (SO_REUSEPORT), so that no
/// worker waits for another. Used on the control thread. Unchanged addresses keep their sockets
/// over a reload.
class Listeners {
 public:
  explicit Listeners(Workers& workers) : workers_(workers) {}

  /// Sockets that were opened and wait for apply(); closed when dropped.
  struct Opened {
    std::map<std::string, std::vector<net::ListenSocket>> by_address;  // one per worker
  };
  /// Opens what `wanted` has and we have not. All or nothing; errors say what to do about it. What
  /// shares a port with a listener of ours takes no connection before apply().
  Result<Opened> open(const Snapshot& wanted);
  /// Starts accepting on what was opened and retires what `wanted` has no more: such sockets close
  /// now, their idle connections too, others after their answer. Call it after publish().
  awaitable<void> apply(Opened opened, std::shared_ptr<const Snapshot> wanted);
  /// open() and apply() in one, for the start.
  awaitable<Result<void>> reconcile(std::shared_ptr<const Snapshot> wanted);

  /// Addresses that are open, with the port the kernel chose where 0 was asked for.
  struct Open {
    std::string address;  // as in the config
    std::uint16_t port = 0;
    net::ListenAddress bound;
  };
  std::vector<Open> open_addresses() const;

  /// Graceful end: stops accepting, closes idle connections, lets answers under way finish (with
  /// `Connection: close`) until `deadline`, then cuts what is left. The count says how many
  /// had to be cut.
  awaitable<std::size_t> drain(Clock& clock, const Steady& deadline);

 private:
  net::Held held(const net::ListenAddress& where, const Snapshot& wanted) const;

  Workers& workers_;
  std::map<std::string, Open> open_;
};

}  // namespace gatehouse::serve
