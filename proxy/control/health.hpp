#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>
#include <vector>

#include "core/base/entropy.hpp"
#include "core/net/crew.hpp"
#include "proxy/serve/backend/health_check.hpp"

namespace gatehouse::control {

/// Checks the servers of all backends that have a health path, each on its own beat, and tells the
/// workers by the servers' vitals. Control thread. What is known of a server survives reloads.
class Health {
 public:
  struct Parts {
    asio::any_io_executor executor;
    Clock& clock;
    Entropy& entropy;
    net::Dialer& dialer;
  };
  explicit Health(const Parts& parts);
  Health(const Health&) = delete;
  Health& operator=(const Health&) = delete;

  /// Makes the servers those of `plans`, as every worker does: one that stays keeps its vitals.
  void reconcile(const serve::backend::Plans& plans);
  /// Ends all checks. Await it before this dies.
  awaitable<void> stop();

  /// One server as it stands; `vitals` is what the workers go by.
  struct Server {
    std::shared_ptr<const serve::backend::Plan> plan;
    const serve::backend::ServerPlan* server = nullptr;  // in *plan
    std::shared_ptr<serve::backend::Vitals> vitals;
    serve::backend::Pulse pulse;
    std::string last_problem;  // why the last check was not well; empty: it was
    bool gone = false;         // from the config
    bool checking = false;     // its task is alive
  };
  /// In the order of the config's backends by name, and of their servers.
  const std::vector<std::shared_ptr<Server>>& servers() const { return servers_; }

 private:
  static awaitable<void> watch(Health& health, std::shared_ptr<Server> server);
  Steady::duration beat(const Server& server, bool first);
  void heard(Server& server, const Result<int>& told);

  Parts parts_;
  net::DeadlineWheel wheel_;
  net::BufferPool buffers_;
  std::vector<std::shared_ptr<Server>> servers_;
  net::Crew crew_;
};

}  // namespace gatehouse::control
