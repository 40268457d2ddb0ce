#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>

#include "core/base/asio.hpp"
#include "core/net/crew.hpp"
#include "core/net/dialer.hpp"
#include "core/net/dns_resolver.hpp"
#include "proxy/control/admin.hpp"
#include "proxy/control/certificates.hpp"
#include "proxy/control/changes.hpp"
#include "proxy/control/config_file.hpp"
#include "proxy/control/discovery.hpp"
#include "proxy/control/health.hpp"
#include "proxy/control/late_certificates.hpp"
#include "proxy/serve/access_log.hpp"
#include "proxy/serve/listener.hpp"
#include "proxy/serve/outlet.hpp"
#include "proxy/serve/worker.hpp"

namespace gatehouse::control {

/// What the resolver is to ask, by `server.resolvers`.
std::string servers_of(const config::Config& config);

/// What came of a reload: what it changed, or why nothing was changed.
struct ReloadOutcome {
  std::optional<Changes> changes;
  std::vector<std::string> problems;
  bool invalid = false;  // the config's own errors, as against what the system refused
};

/// The running Gatehouse, from its start to its end. Lives on the control thread.
class Service final : private AdminSubject {
 public:
  /// `config` was loaded from `source` just now and has no error; `warnings` are for the log.
  Service(asio::io_context& control, ConfigSource source, config::Config config,
          std::vector<config::Problem> warnings);
  ~Service() override;

  /// Serves until it is told to stop. An error: it could not start. service.cpp
  awaitable<Result<void>> run();

 private:
  // service.cpp: start and end
  awaitable<Result<void>> start();
  Result<void> set_up();
  awaitable<Result<void>> open_doors();
  Result<void> open_admin();
  Result<void> leave_root();
  awaitable<void> adopt_tickets();
  awaitable<void> save_tickets();
  awaitable<void> keep_tickets();
  void log_start() const;
  awaitable<void> watch_signals();
  void request_stop();
  awaitable<void> wait_for_stop();
  awaitable<void> drain();
  awaitable<void> shut();
  void reopen_logs();

  // reload.cpp
  awaitable<ReloadOutcome> reload_now();
  awaitable<ReloadOutcome> apply(config::Config next);
  awaitable<Result<void>> change_access_log(const config::Log& before, const config::Log& after);
  Result<std::string> sticky_key_for(const config::Config& config);
  awaitable<void> change_servers();
  awaitable<void> reload_by_signal();
  awaitable<void> give_memory_back();

  // status.cpp: what the admin API asks
  awaitable<AdminReply> status() override;
  AdminReply effective_config() override;
  AdminReply certificates() override;
  AdminReply certificate(const std::string& host) override;
  awaitable<AdminReply> reload() override;
  AdminReply stop() override;
  bool ready() const override { return stage_ == Stage::serving; }

  enum class Stage : std::uint8_t { starting, serving, draining };
  const config::Config& config() const { return snapshot_->config(); }

  asio::io_context& control_;
  ConfigSource source_;
  std::shared_ptr<const config::Config> first_config_;  // until it is served
  std::vector<config::Problem> first_warnings_;
  Stage stage_ = Stage::starting;

  SystemClock clock_;
  Wall started_;
  SystemEntropy entropy_;
  HelperPool helpers_;
  HelperPool readers_;  // of files: a slow disk must not hold up what the helpers do
  HelperPool hashers_;  // of passwords, which clients wait for
  net::SystemResolver system_resolver_;
  net::DnsResolver resolver_;
  net::SystemDialer dialer_;
  LateCertificates late_certificates_;
  net::Crew crew_;
  std::shared_ptr<tls::TicketKeys> tickets_;
  std::unique_ptr<serve::AccessLog> access_log_;
  std::unique_ptr<serve::Workers> workers_;
  std::unique_ptr<serve::WorkersOutlet> outlet_;
  std::unique_ptr<serve::Listeners> listeners_;
  std::unique_ptr<Certificates> certificates_;
  std::unique_ptr<Discovery> discovery_;
  std::unique_ptr<Health> health_;
  std::unique_ptr<AdminServer> admin_;
  std::shared_ptr<const serve::Snapshot> snapshot_;  // what runs

  std::uint64_t reloads_ = 0;  // tried so far
  bool settling_ = false;      // memory is given back once they have come to rest
  unsigned stop_requests_ = 0;
  Steady drained_by_ = Steady::max();  // a second request to stop brings it forward
  asio::steady_timer stop_;            // set at Steady::max(), used as a condition
  bool changing_ = false;              // what runs; see Turn
  asio::steady_timer changed_;         // the same, for who waits for its turn
};

}  // namespace gatehouse::control
