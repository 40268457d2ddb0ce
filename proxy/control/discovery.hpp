#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/net/crew.hpp"
#include "core/net/resolver.hpp"
#include "proxy/serve/backend/found_servers.hpp"

namespace gatehouse::control {

/// Finds the servers of backends that DNS names (RFC 2782): asks again and again, each time when
/// the answer's time is up, and makes of the plans of a config those with the servers found. Where
/// DNS fails, or a name is gone, what was found last stays. Control thread.
class Discovery {
 public:
  struct Parts {
    asio::any_io_executor executor;
    Clock& clock;
    net::Resolver& resolver;
  };
  using Plans = std::shared_ptr<const serve::backend::Plans>;

  /// `changed`: plans() says something else than when it was asked last.
  Discovery(const Parts& parts, std::function<void()> changed);
  Discovery(const Discovery&) = delete;
  Discovery& operator=(const Discovery&) = delete;

  /// Asks for the services of `plans` that are new, and waits a short time for the answers: a
  /// backend should have its servers when its first request comes.
  awaitable<void> prepare(const serve::backend::Plans& plans);
  /// From here on these are the plans; other services are forgotten. With all servers.
  Plans reconcile(const serve::backend::Plans& plans);
  /// The plans with the servers they have now.
  Plans plans();
  /// Ends all questions. Await it before this dies.
  awaitable<void> stop();

  struct Service {
    std::string name;
    std::vector<net::ServiceRecord> records;  // as they were found last
    std::string problem;                      // why they were not found again; empty: they were
    std::chrono::milliseconds resolve{0};     // the longest time between two questions
    bool answered = false;
    bool gone = false;  // from the config
  };
  using Services = std::map<std::string, std::shared_ptr<Service>, std::less<>>;
  const Services& services() const { return services_; }

  /// How long prepare() waits at most.
  static constexpr std::chrono::seconds first_answer{3};

 private:
  void look_for(const serve::backend::Plans& plans);
  static awaitable<void> watch(Discovery& discovery, std::shared_ptr<Service> service);
  static awaitable<void> all_answered(Discovery& discovery);
  std::chrono::milliseconds heard(Service& service, Result<net::ServiceAnswer> answer);

  Parts parts_;
  std::function<void()> changed_;
  serve::backend::Plans wanted_;  // of the config
  Services services_;
  asio::steady_timer news_;  // a condition: a service was answered for the first time
  net::Crew crew_;
};

}  // namespace gatehouse::control
