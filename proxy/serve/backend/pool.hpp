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

namespace gatehouse::serve::backend {

class Pool;

/// A connection to a server, held for one request. Closes it when it dies: only give_back(), after
/// a clean answer, keeps it. The pool it came from may be retired meanwhile.
class Lease {
 public:
  Lease(Lease&&) noexcept = default;
  Lease& operator=(Lease&& other) noexcept;
  ~Lease() { release(); }

  http::ClientExchange& exchange() { return *connection_; }
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

  std::shared_ptr<Pool> pool_;  // null: released
  std::unique_ptr<http::H1ClientConnection> connection_;
  boost::asio::ip::address address_;
  bool reused_ = false;
};

/// The connections to one server from one worker: idle ones, newest first, and how the server has
/// been doing. Touch it on its worker only. Lives as long as a lease of it, even after its server
/// left the config.
/// Invariant: an idle connection has no byte unread, no request in flight and no buffer.
class Pool {
 public:
  Pool(const Means& means, std::shared_ptr<const Plan> plan, const ServerPlan& server);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// The newest idle connection that is still alive. No wait, no frame: most requests end here.
  static std::optional<Lease> take_idle(const std::shared_ptr<Pool>& pool);
  /// A new connection, ready for a request. Errors: nothing of it was sent. `introduction` is said
  /// before anything else, TLS included: it tells the server who its client is, so that the
  /// connection is never given to another one.
  static awaitable<Result<Lease>> dial(std::shared_ptr<Pool> pool, std::string introduction = {});

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

 private:
  friend class Lease;
  using Address = boost::asio::ip::address;
  struct Idle {
    std::unique_ptr<http::H1ClientConnection> connection;
    Address address;
    Steady since;
  };

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
  std::shared_ptr<Addresses> addresses_;
  net::DeadlineWheel::Entry sweeping_;
};

}  // namespace gatehouse::serve::backend
