#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "core/net/listen_socket.hpp"
#include "proxy/serve/worker.hpp"

namespace gatehouse::serve {

/// One listening socket of one worker. Shared with the connections that came in by it.
struct Door {
  Door(asio::io_context& io, std::string name, net::ListenSocket socket);

  const std::string address;  // as in the config: its Endpoint's key in every snapshot
  const std::uint16_t port;
  asio::posix::stream_descriptor socket;
  asio::steady_timer pause;  // while nothing is accepted
  /// The last snapshot that wants this listener, once the worker has a newer one: whoever came in
  /// by it is served as it was, whatever the newer one says of other listeners. Null before.
  std::shared_ptr<const Snapshot> last;
  /// What they go by now.
  std::shared_ptr<const Snapshot> snapshot(const Worker& worker) const;
};

/// What one worker listens on. Touch it on its worker only.
class Listening {
 public:
  explicit Listening(Worker& worker);
  ~Listening();
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

  void add(std::string address, net::ListenSocket socket);
  /// To be called before the worker takes `next`: doors that it does not want go by what was.
  void change_over(const Snapshot& next);
  /// Takes what waits in the queue, then closes the socket.
  void remove(const std::string& address);
  void remove_all();

 private:
  enum class Accepted : std::uint8_t { one, none, no_means };

  /// Wakes the doors that wait for room below the connection limit.
  void made_room();
  awaitable<void> accept_all(std::shared_ptr<Door> door);
  Accepted accept_one(const std::shared_ptr<Door>& door);
  /// Accepts what is there, at most a batch. Returns false when the machine ran out of means.
  bool accept_batch(const std::shared_ptr<Door>& door, std::size_t most);
  std::size_t room() const;
  /// Asks connections that nobody uses to make way for those that wait.
  void ask_for_room();

  Worker& worker_;
  std::map<std::string, std::shared_ptr<Door>> doors_;
  std::size_t pausing_ = 0;  // doors
  Steady ask_again_{};       // not before those who were asked have gone
};

}  // namespace gatehouse::serve
