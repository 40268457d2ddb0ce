#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "acme/certificate_source.hpp"
#include "acme/challenge.hpp"
#include "core/base/asio.hpp"
#include "core/base/entropy.hpp"
#include "core/base/helper_pool.hpp"
#include "core/http/encoder.hpp"
#include "core/http/http_date.hpp"
#include "core/net/buffer_pool.hpp"
#include "core/net/crew.hpp"
#include "core/net/deadline_wheel.hpp"
#include "core/net/dialer.hpp"
#include "core/net/resolver.hpp"
#include "core/tls/certificate_index.hpp"
#include "proxy/serve/handshake_turns.hpp"
#include "proxy/serve/live_connections.hpp"
#include "proxy/serve/passwords.hpp"
#include "proxy/serve/snapshot.hpp"

namespace gatehouse::serve {

namespace backend {
class Pools;
}
class AccessRing;
class AuthClient;
class Listening;

/// What the road uses of the rest of the house. All of it outlives the workers.
struct Surroundings {
  Clock& clock;
  Entropy& entropy;
  net::Resolver& resolver;
  net::Dialer& dialer;
  acme::CertificateSource& certificates;
  HelperPool& helpers;     // for what blocks or burns
  std::size_t open_files;  // descriptors that connections may use, all workers together
  // Threads for reads that may have to wait for a disk; null: they are done on the worker.
  HelperPool* readers = nullptr;
  // For passwords, whose hashes burn long while a client waits; null: the helpers make them.
  HelperPool* hashers = nullptr;
};

/// What a worker counted. Plain integers, touched on the worker; read by asking it.
struct Counters {
  std::uint64_t connections = 0;
  std::uint64_t handshakes = 0;
  std::uint64_t handshakes_resumed = 0;
  std::uint64_t handshakes_failed = 0;
  std::uint64_t unknown_sni = 0;
  std::uint64_t passed_through = 0;  // connections whose TLS was not ours
  std::uint64_t challenges = 0;
  std::uint64_t requests = 0;
  std::array<std::uint64_t, 6> answers{};  // by first digit of the status; [0]: none sent
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t rejected = 0;
  std::map<std::string, std::uint64_t, std::less<>> rejected_by;  // label of the reason
  std::uint64_t accept_pauses = 0;  // times we ran out of descriptors or memory
  std::uint64_t log_lines_dropped = 0;
  // Now, not since the start; filled by Workers::counters().
  std::uint64_t open = 0;
  std::uint64_t idle = 0;
  std::uint64_t tunnels = 0;

  /// A request, or a connection, that we turned away ourselves.
  void reject(std::string_view reason);
  Counters& operator+=(const Counters& other);
};

/// One thread that serves: its io_context, its timers, its connections, its view of the config and
/// the certificates. Everything in here is touched on its thread only, so nothing has a lock; what
/// crosses over is posted. Not movable.
class Worker {
 public:
  /// The `place`-th of `of`.
  Worker(std::size_t place, std::size_t of, const Surroundings& around);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  asio::any_io_executor executor() { return io.get_executor(); }
  /// Ends every client connection now, wherever it waits. Its tasks have unwound at the latest when
  /// `clients` is gone; one that rests goes on the next turn of the loop.
  void cut_connections();
  /// Uniform 64 bits, cheap and not secret: choice of servers, request ids.
  std::uint64_t random();

  const std::size_t index;
  const std::size_t of_workers;
  const Surroundings around;
  std::string sticky_key;  // signs the cookies that pin clients to servers; empty: none are pinned
  Clock& clock;
  // What coroutine frames point to stands before `io`, which frees the frames that are left.
  net::DeadlineWheel wheel;
  net::BufferPool buffers;
  http::HttpDate date;
  http::Encoders encoders;
  std::shared_ptr<const Snapshot> snapshot;  // counted apart; null before the first one
  tls::CertificateIndex certificates;
  acme::ChallengeBoard challenges;
  Counters counters;
  LiveConnections connections;
  Passwords passwords;
  HandshakeTurns handshake_turns{io};
  bool draining = false;
  Steady next_list_warning = Steady::min();  // of a revocation list that has run out
  std::shared_ptr<AccessRing> access;        // null: no access log
  asio::io_context io{1};
  net::Crew crew;
  net::Crew clients;  // their connections alone, so that those can be cut
  // Made by the rooms they belong to: shared_ptr because it needs no complete type here.
  std::shared_ptr<backend::Pools> pools;
  std::shared_ptr<Listening> listening;
  std::shared_ptr<AuthClient> auth;  // null: no forward_auth yet

 private:
  std::array<std::uint64_t, 4> random_{};
};

/// All workers and their threads. Made, started and stopped on the control thread.
class Workers {
 public:
  using Job = std::function<void(Worker&)>;

  /// `count` 0: one per CPU this process may use.
  Workers(unsigned count, const Surroundings& around);
  /// Stops and joins.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// Runs every worker on a thread of its own. Before that they may be set up from here.
  void start();
  /// Cancels everything under way on the workers and joins their threads.
  void stop();

  std::size_t size() const { return workers_.size(); }
  Worker& operator[](std::size_t index) { return *workers_[index]; }

  /// Runs `job` on every worker's thread, one after the other; returns when all have done it. Must
  /// not throw. Before start() and after stop() it runs here and now.
  awaitable<void> on_each(Job job);
  /// Posts the snapshot to every worker and waits until each has it. `plans`: its backends with all
  /// servers that were found for them; null: they are as they stand in it.
  awaitable<void> publish(std::shared_ptr<const Snapshot> next,
                          std::shared_ptr<const backend::Plans> plans = nullptr);
  /// Other servers for the backends of the snapshot that was published last.
  awaitable<void> publish(std::shared_ptr<const backend::Plans> plans);
  /// The sum over all workers.
  awaitable<Counters> counters();

 private:
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
};

}  // namespace gatehouse::serve
