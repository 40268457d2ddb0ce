#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "core/net/resolver.hpp"

namespace gatehouse::net {

/// Asks the servers of /etc/resolv.conf, after /etc/hosts, on a thread of its own, and tells how
/// long answers hold. A changed resolv.conf is seen. Names that only the system's own resolver may
/// know (other sources in /etc/nsswitch.conf than files and dns) are asked of that one in the end,
/// unless other servers are to be asked than the system's.
/// Whoever is cancelled, or out of time, waits no longer.
class DnsResolver final : public Resolver {
 public:
  /// Which files to read, for tests.
  struct Files {
    std::string resolv_conf = "/etc/resolv.conf";
    std::string nsswitch_conf = "/etc/nsswitch.conf";
    std::string servers;  // "127.0.0.1:5353": in place of those of resolv_conf
  };
  /// `system` outlives it.
  explicit DnsResolver(Resolver& system);
  DnsResolver(Resolver& system, Files files);
  ~DnsResolver() override;

  /// "127.0.0.1:5353", several with commas: these servers are asked from now on. Empty: those of
  /// resolv.conf. Any thread.
  void ask_servers(std::string servers);

  awaitable<Result<std::vector<asio::ip::address>>> resolve(std::string host) override;
  awaitable<Result<Found>> look_up(std::string host) override;
  awaitable<Result<ServiceAnswer>> services(std::string name) override;

  /// More addresses of one name are not looked at.
  static constexpr std::size_t most_addresses = 64;

 private:
  class Thread;
  Resolver& system_;
  bool system_knows_more_;
  std::atomic<bool> own_servers_{false};
  std::unique_ptr<Thread> thread_;
};

}  // namespace gatehouse::net
