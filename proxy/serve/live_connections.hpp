#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>

#include "core/net/stream.hpp"

namespace gatehouse::http {
class ServerConnection;
}

namespace gatehouse::serve {

/// The client connections alive on one worker, with what each is doing: for drain, limits and
/// status. Touch it on its worker only.
class LiveConnections {
 public:
  enum class State : std::uint8_t { starting, idle, busy };

  /// One connection's place in the list; leaves it when it dies.
  class Place {
   public:
    /// `listener` is the address it came in by, as written in the config; it outlives the place.
    Place(LiveConnections& list, net::Stream* stream, std::string_view listener);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    void state(State next);
    State state() const { return state_; }
    /// What to close when the connection must end: changes with the handshake.
    void stream(net::Stream* now) { stream_ = now; }
    /// Null: none at the moment.
    const net::Stream* stream() const { return stream_; }
    /// Whom to tell that the connection is to end; null: nobody yet, see closing().
    void requests(http::ServerConnection* now) { requests_ = now; }
    std::string_view listener() const { return listener_; }
    /// The connection ends after the answer under way.
    bool closing() const { return closing_; }

   private:
    friend class LiveConnections;
    LiveConnections& list_;
    net::Stream* stream_;
    http::ServerConnection* requests_ = nullptr;
    std::string_view listener_;
    State state_ = State::starting;
    bool closing_ = false;
    Place* next_ = nullptr;
    Place** back_ = nullptr;
  };

  /// A tunnel through one of them, counted while this lives.
  class Tunnel {
   public:
    explicit Tunnel(LiveConnections& list) : list_(list) { ++list_.tunnels_; }
    ~Tunnel() { --list_.tunnels_; }
    Tunnel(const Tunnel&) = delete;
    Tunnel& operator=(const Tunnel&) = delete;

   private:
    LiveConnections& list_;
  };

  LiveConnections() = default;
  LiveConnections(const LiveConnections&) = delete;
  LiveConnections& operator=(const LiveConnections&) = delete;

  /// Called whenever a connection has left.
  void on_leave(std::function<void()> call) { on_leave_ = std::move(call); }
  std::size_t count() const { return total_; }
  std::size_t count(State state) const { return by_state_[static_cast<std::size_t>(state)]; }
  std::size_t tunnels() const { return tunnels_; }
  /// Lets every connection of `listener` (of all when empty) end with its next answer, idle ones
  /// after a short grace: a request may be on its way already.
  void retire(std::string_view listener = {});
  /// Lets up to `most` connections end that are idle, the oldest first. Returns
  /// how many there were.
  std::size_t make_way(std::size_t most);
  /// Closes every connection's stream now. Worker::cut_connections() ends those too that wait for
  /// something else.
  void close_streams();

 private:
  Place* first_ = nullptr;  // the oldest
  Place** end_ = &first_;
  std::function<void()> on_leave_;
  std::size_t total_ = 0;
  std::size_t tunnels_ = 0;
  std::array<std::size_t, 3> by_state_{};
};

}  // namespace gatehouse::serve
