#pragma once

#include <boost/asio/ip/address.hpp>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/asio.hpp"
#include "core/http/h1_client.hpp"
#include "proxy/serve/backend/addresses.hpp"
#include "proxy/serve/backend/balance.hpp"
#include "proxy/serve/backend/means.hpp"
#include "proxy/serve/backend/plan.hpp"
#include "proxy/serve/backend/shared.hpp"

namespace gatehouse::serve::backend {

class Pool;

/// What is asked of a connection.
enum class Need : std::uint8_t {
  exchange,
  websocket,
  octets,  // it carries what is none of our business: stream() of a new one
};

/// Whether what is asked may be asked again where the connection turns out to be gone.
enum class Again : std::uint8_t { may_not, may };

/// A connection to a server, or a stream of one, held for one request. Closes it when it dies: only
/// give_back(), after a clean answer, keeps it. The pool it came from may be retired meanwhile.
class Lease {
 public:
  Lease(Lease&&) noexcept = default;
  Lease& operator=(Lease&& other) noexcept;
  ~Lease() { release(); }

  http::ClientExchange& exchange() { return stream_ ? *stream_ : *connection_; }
  /// Of Need::octets.
  net::Stream& stream() { return connection_->stream(); }
  /// It has carried requests before, so the server may have closed it without our seeing it.
  bool reused() const { return reused_; }
  /// Returns the connection for the next request, where the exchange ended clean; else closes it.
  void give_back();

 private:
  friend class Pool;
  struct Idle;
  explicit Lease(std::shared_ptr<Pool> pool);
  void release();

  std::shared_ptr<Pool> pool_;                    // null: released
  std::unique_ptr<http::ClientExchange> stream_;  // HTTP/2; its connection stays with the pool
  std::unique_ptr<http::H1ClientConnection> connection_;  // HTTP/1
  boost::asio::ip::address address_;
  bool reused_ = false;
};

/// The connections to one server from one worker, and how the server has been doing: idle ones of
/// HTTP/1, newest first, and those of HTTP/2, which carry many requests at once. Touch it on its
/// worker only. Lives as long as a lease of it, even after its server left the config.
/// Invariant: an idle connection has no byte unread, no request in flight and no buffer.
class Pool {
 public:
  Pool(const Means& means, std::shared_ptr<const Plan> plan, const ServerPlan& server);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// A stream of an HTTP/2 connection that has room, else the newest idle connection that is still
  /// alive: Again::may_not asks the kernel. No wait, no frame: most requests end here.
  static std::optional<Lease> take_idle(const std::shared_ptr<Pool>& pool,
                                        Need need = Need::exchange, Again again = Again::may_not);
  /// A new connection, ready for a request, or a stream of one: requests that come while an HTTP/2
  /// connection is being made wait for it. Errors: nothing of it was sent. `introduction` is said
  /// before anything else, TLS included: it tells the server who its client is, so that the
  /// connection is never given to another one.
  static awaitable<Result<Lease>> dial(std::shared_ptr<Pool> pool, Need need = Need::exchange,
                                       std::string introduction = {});

  const ServerPlan& server() const { return *server_; }
  const Standing& standing() const { return standing_; }
  Vitals& vitals() const { return *vitals_; }
  /// The server failed, or answered: what the choice of servers goes by.
  void failed(const Error& why);
  void served();

  /// The same server under a new config: its limits change, its connections stay.
  void update(std::shared_ptr<const Plan> plan, const ServerPlan& server);
  /// The server left the config: idle connections close now, leased ones after their request.
  void retire();

  std::size_t idle() const { return idle_.size(); }
  /// HTTP/2 connections.
  std::size_t shared() const { return shared_.size(); }

 private:
  friend class Lease;
  using Address = boost::asio::ip::address;
  struct Idle {
    std::unique_ptr<http::H1ClientConnection> connection;
    Address address;
    Steady since;
  };

  struct Dialling;

  static bool take_stream(const std::shared_ptr<Pool>& pool, Need need, Lease& into);
  static awaitable<Result<void>> connect(std::shared_ptr<Pool> pool, Need need,
                                         std::string introduction, Lease& into);
  static awaitable<Result<void>> share(std::shared_ptr<Pool> pool,
                                       std::unique_ptr<net::Stream> stream, Need need,
                                       Steady deadline, Lease& into);
  bool may_share(Need need) const;
  void take_back(std::unique_ptr<http::H1ClientConnection> connection, const Address& address);
  static void sweep(void* pool) noexcept;

  Means means_;
  std::shared_ptr<const Plan> plan_;
  const ServerPlan* server_;  // in *plan_
  std::shared_ptr<Vitals> vitals_;
  Standing standing_;
  std::uint32_t failures_ = 0;  // in a row
  bool retired_ = false;
  std::vector<Idle> idle_;
  std::vector<std::shared_ptr<Shared>> shared_;
  std::shared_ptr<Dialling> dialling_;  // a connection that others wait for; null: none
  bool chose_h1_ = false;               // the server did, last time
  std::shared_ptr<Addresses> addresses_;
  net::DeadlineWheel::Entry sweeping_;
};

}  // namespace gatehouse::serve::backend
