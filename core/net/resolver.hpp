#pragma once

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "core/base/asio.hpp"
#include "core/base/error.hpp"
#include "core/base/helper_pool.hpp"
#include "core/net/dns_answer.hpp"

namespace gatehouse::net {

/// Names to addresses. Any thread may call it; the answer resumes the caller where it was.
class Resolver {
 public:
  virtual ~Resolver() = default;
  /// At least one address, in the order to try them; IP literals come back as they are.
  virtual awaitable<Result<std::vector<asio::ip::address>>> resolve(std::string host) = 0;

  /// The same, and how long that holds.
  struct Found {
    std::vector<asio::ip::address> addresses;
    std::chrono::seconds ttl{0};  // 0: not known
  };
  virtual awaitable<Result<Found>> look_up(std::string host);
  /// Where a service is offered: `_web._tcp.example.com`. Fault::not_found where this resolver
  /// knows of no services.
  virtual awaitable<Result<ServiceAnswer>> services(std::string name);
};

/// The system's resolver (hosts file, nsswitch, DNS), run on helper threads.
class SystemResolver final : public Resolver {
 public:
  explicit SystemResolver(HelperPool& helpers) : helpers_(helpers) {}
  awaitable<Result<std::vector<asio::ip::address>>> resolve(std::string host) override;

 private:
  HelperPool& helpers_;
};

}  // namespace gatehouse::net
