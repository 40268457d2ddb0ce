#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/model.hpp"
#include "core/base/error.hpp"
#include "core/net/dialer.hpp"
#include "core/tls/tls_stream.hpp"
#include "proxy/serve/backend/balance.hpp"
#include "proxy/serve/backend/vitals.hpp"
#include "proxy/serve/backend/waiting_room.hpp"

namespace gatehouse::serve::backend {

/// What a server is spoken to in.
enum class Protocol : std::uint8_t {
  h1,
  h2,         // from the first octet: h2c
  by_server,  // what its TLS chooses by ALPN
};

/// One server of a backend, made ready to be dialled.
struct ServerPlan {
  std::string text;       // as written in the config
  std::string identity;   // equal for the same address reached the same way: connections carry over
  std::string authority;  // a Host for clients that sent none, and for checks
  net::Target target;
  Protocol protocol = Protocol::h1;
  std::shared_ptr<const tls::ClientPolicy> tls;  // null: plain
  std::string server_name;                       // verified, and sent as SNI where it is a name
  std::uint32_t weight = 1;
  std::uint16_t priority = 0;  // see Standing
  bool backup = false;
  std::uint32_t max_requests = 0;  // at a time, all workers together; 0: no limit
  /// Counts from the plan that first had this server: whoever keeps a server over a reload keeps
  /// the first ones.
  std::shared_ptr<Vitals> vitals;
};

/// Servers that DNS names (RFC 2782). with_services() puts them in its place.
struct ServicePlan {
  std::string name;       // what SRV records are asked for
  std::size_t place = 0;  // they stand before servers[place]
  ServerPlan model;       // what all of them are; its identity follows their addresses
};

/// What all workers know of one backend. Kept over reloads like its servers' vitals.
struct Ward {
  std::shared_ptr<Bell> bell = std::make_shared<Bell>();
  /// Somebody decides whether to eject a server: who comes meanwhile leaves it. So max_share holds.
  std::atomic<bool> ejecting{false};
};

/// What Policy::hash goes by.
enum class KeyOf : std::uint8_t { client, path, header, cookie };

/// Failures after which a request may be sent once more.
struct RetryOn {
  bool connect = true;  // no connection, or it broke before an answer
  bool timeout = false;
  bool status_502 = false;  // or what we would answer with 502
  bool status_503 = false;
  bool status_504 = false;
  bool covers(int status) const {
    return (status == 502 && status_502) || (status == 503 && status_503) ||
           (status == 504 && status_504);
  }
};

/// Active checks of every server.
struct HealthRules {
  std::string path;  // empty: none
  std::chrono::milliseconds interval{0};
  std::chrono::milliseconds timeout{0};
  std::vector<std::pair<int, int>> statuses;  // ranges, ends included
  std::uint32_t rise = 1;
  std::uint32_t fall = 1;
};

/// One backend of the config, made ready: immutable, shared by all workers. Made on the control
/// thread, because it reads root certificates.
struct Plan {
  std::string name;
  std::vector<ServerPlan> servers;
  std::vector<ServicePlan> services;  // in the order of `place`
  std::chrono::milliseconds resolve{0};
  std::chrono::milliseconds connect_timeout{0};
  std::chrono::milliseconds response_timeout{0};  // 0: none
  std::chrono::milliseconds idle_timeout{0};
  std::uint32_t idle_connections = 0;
  std::uint32_t retries = 0;
  double retry_budget = 0;
  int proxy_protocol = 0;  // version of the header that opens each connection; 0: none
  RetryOn retry_on;
  Policy policy = Policy::two_choices;
  KeyOf key_of = KeyOf::client;
  std::string key_name;  // of the header field or cookie
  std::string sticky_cookie;
  EjectRules eject;
  HealthRules health;
  std::chrono::milliseconds slow_start{0};
  std::shared_ptr<Ward> ward;
};

/// By the name that its TLS goes by, where it has any: a Host that is not the SNI's is a 421 (RFC
/// 9110 §15.5.20).
std::string authority_of(const ServerPlan& server);

using Plans = std::map<std::string, std::shared_ptr<const Plan>, std::less<>>;

/// Every backend of the config, or the first that cannot be made: "backend app: …".
Result<Plans> make_plans(const config::Config& config);

}  // namespace gatehouse::serve::backend
