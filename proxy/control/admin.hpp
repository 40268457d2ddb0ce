#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include "core/base/asio.hpp"
#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/http/exchange.hpp"
#include "core/net/buffer_pool.hpp"
#include "core/net/crew.hpp"
#include "core/net/deadline_wheel.hpp"
#include "core/net/listen_socket.hpp"
#include "core/net/socket_stream.hpp"
#include "proxy/control/admin_rules.hpp"
#include "proxy/control/unix_door.hpp"

namespace gatehouse::control {

/// An answer of the admin API, whole.
struct AdminReply {
  int status = 200;
  std::string type = "application/json";
  std::string body;

  static AdminReply json(std::string body) { return {200, "application/json", std::move(body)}; }
  /// RFC 9457.
  static AdminReply problem(int status, std::string_view detail);
};

/// What the admin API can ask of the process. All on the control thread.
class AdminSubject {
 public:
  virtual ~AdminSubject() = default;
  virtual awaitable<AdminReply> status() = 0;
  virtual AdminReply effective_config() = 0;
  virtual AdminReply certificates() = 0;
  virtual AdminReply certificate(const std::string& host) = 0;
  virtual awaitable<AdminReply> reload() = 0;
  /// Begins a graceful stop; the answer is sent before it ends the process.
  virtual AdminReply stop() = 0;
  /// All listeners accept and no drain has begun.
  virtual bool ready() const = 0;
};

/// The admin API: HTTP/1.1 and JSON on a unix socket and, where configured, on a TCP address. Lives
/// on the control thread, shares nothing with the road.
class AdminServer {
 public:
  AdminServer(asio::any_io_executor executor, Clock& clock, AdminSubject& subject);

  /// Takes over a door and accepts from it on.
  void serve(UnixDoor door);
  void serve(net::ListenSocket socket, AdminDoor door);
  /// Ends accepting and every connection.
  awaitable<void> stop();

 private:
  awaitable<void> accept(int listening, AdminDoor door);
  awaitable<void> converse(std::unique_ptr<net::Stream> stream, AdminDoor door);
  awaitable<AdminReply> answer(http::ServerExchange& exchange, AdminDoor door);
  awaitable<AdminReply> carry_out(std::string method, std::string path);

  Clock& clock_;
  AdminSubject& subject_;
  net::DeadlineWheel wheel_;
  net::BufferPool buffers_;
  net::Crew crew_;
  std::list<UnixDoor> unix_doors_;
  std::list<net::ListenSocket> tcp_doors_;
};

}  // namespace gatehouse::control
