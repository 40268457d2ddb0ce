#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/model.hpp"
#include "core/base/error.hpp"
#include "core/net/dialer.hpp"
#include "core/tls/tls_stream.hpp"

namespace gatehouse::serve::backend {

/// One server of a backend, made ready to be dialled.
struct ServerPlan {
  std::string text;       // as written in the config
  std::string identity;   // equal for the same address reached the same way: connections carry over
  std::string authority;  // a Host for clients that sent none
  net::Target target;
  std::shared_ptr<const tls::ClientPolicy> tls;  // null: plain
  std::string server_name;                       // verified, and sent as SNI where it is a name
  std::uint32_t weight = 1;
  bool backup = false;
};

/// One backend of the config, made ready: immutable, shared by all workers. Made on the control
/// thread, because it reads root certificates.
struct Plan {
  std::string name;
  std::vector<ServerPlan> servers;
  std::chrono::milliseconds resolve{0};
  std::chrono::milliseconds connect_timeout{0};
  std::chrono::milliseconds response_timeout{0};  // 0: none
  std::chrono::milliseconds idle_timeout{0};
  std::uint32_t idle_connections = 0;
  std::uint32_t retries = 0;
  double retry_budget = 0;
  int proxy_protocol = 0;  // version of the header that opens each connection; 0: none
};

using Plans = std::map<std::string, std::shared_ptr<const Plan>, std::less<>>;

/// Every backend of the config, or the first that cannot be made: "backend app: …".
Result<Plans> make_plans(const config::Config& config);

}  // namespace gatehouse::serve::backend
