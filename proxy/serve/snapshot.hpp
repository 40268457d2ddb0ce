#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/model.hpp"
#include "core/base/cidr.hpp"
#include "core/base/error.hpp"
#include "core/tls/server_context.hpp"
#include "proxy/serve/access_format.hpp"
#include "proxy/serve/backend/plan.hpp"
#include "proxy/serve/route.hpp"

namespace gatehouse::http {
struct H1ServerSettings;
}

namespace gatehouse::serve {

/// One site, compiled. Part of a Snapshot and immutable with it; not movable, its routes point
/// here.
struct Site {
  Site(const config::Site& from, std::size_t place);
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  /// What of it can fail (Route::compile).
  Result<void> compile(const RouteStates& kept, ErrorPageFiles& pages, Entropy& entropy);
  /// The first route in file order that takes the request; null: none does. `path` in the form of
  /// RequestPath.
  const Route* route(const http::RequestHead& request, std::string_view path,
                     const asio::ip::address& client) const;
  bool uses_tls() const { return settings.tls.mode != config::TlsMode::off; }
  /// Its TLS is its server's: we choose by the ClientHello's name and carry octets.
  bool passes_through() const { return settings.tls.mode == config::TlsMode::passthrough; }
  /// Nothing of it may be had without TLS, whatever else is said.
  bool only_over_tls() const {
    return passes_through() || settings.tls.client_auth.mode == "require";
  }

  const config::Site& settings;
  std::size_t index;  // place in the file
  std::string name;   // its first host: the label in logs and metrics
  std::vector<Route> routes;
  ErrorPages error_pages;                           // where no route takes the request
  bool decides_by_path = false;                     // some route matches by path, or changes it
  std::string hsts;                                 // value of the field; empty: none is sent
  std::shared_ptr<const tls::ServerPolicy> policy;  // null where we end no TLS
  std::uint16_t https_port = 0;                     // where redirects lead; 0: no https listener
};

/// Hosts to sites: the exact name, then the wildcard one label up, then "*".
class HostMap {
 public:
  /// False: another site has that host already.
  bool add(std::string_view host, const Site& site);
  /// `host` in normal_host() form. Null: no site takes it.
  const Site* find(std::string_view host) const;
  /// Only a site that lists that very host.
  const Site* find_exact(std::string_view host) const;
  /// The site of "*", or null.
  const Site* any() const { return any_; }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  using Table = std::unordered_map<std::string, const Site*, Hash, std::equal_to<>>;
  Table exact_;
  Table wildcard_;  // by the parent: "example.com" for "*.example.com"
  const Site* any_ = nullptr;
};

/// One listening address and the sites that are served there.
struct Endpoint {
  config::Listen listen;
  bool tls = false;
  bool passes_through = false;  // some of the sites do: each ClientHello is looked at first
  HostMap sites;
  std::shared_ptr<const http::H1ServerSettings> h1;  // for its connections, which it may outlive
};

/// A config made ready to serve: immutable, shared by all workers, replaced as a whole. A request
/// takes it once and keeps it to its end; what must survive a reload (sockets, pools,
/// certificates) is not in here.
class Snapshot {
 public:
  /// Requires a checked config. Errors name the site and what could not be built. `before`: the
  /// snapshot that this one takes the place of; what its routes have counted stays.
  static Result<std::shared_ptr<const Snapshot>> build(std::shared_ptr<const config::Config> config,
                                                       std::shared_ptr<tls::TicketKeys> tickets,
                                                       const Snapshot* before = nullptr);
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  const config::Config& config() const { return *config_; }
  const config::Server& server() const { return config_->server; }
  const std::deque<Site>& sites() const { return sites_; }
  /// The listeners that are wanted, each address once.
  const std::deque<Endpoint>& endpoints() const { return endpoints_; }
  /// By the address as written; null: not (or no longer) wanted.
  const Endpoint* endpoint(std::string_view listen) const;
  /// Any listener's site for that host: what certificates and operators ask by.
  const Site* site(std::string_view host) const { return all_.find(host); }
  /// Whose X-Forwarded-* and PROXY headers count.
  std::span<const Cidr> trusted() const { return trusted_; }
  /// Any site's TLS policy, for handshakes that belong to no site; null where no site has one.
  std::shared_ptr<const tls::ServerPolicy> any_policy() const {
    return policies_.empty() ? nullptr : policies_.front();
  }
  bool trusts(const asio::ip::address& peer) const;
  const AccessFormat& access_format() const { return access_format_; }
  /// What the pools of every worker are to be made like.
  const backend::Plans& backends() const { return backends_; }
  /// How an https server of `forward_auth` is verified; null where none is asked.
  const std::shared_ptr<const tls::ClientPolicy>& auth_policy() const { return auth_policy_; }
  /// Answer to a host that no site serves.
  int unknown_host_status(bool tls) const;

 private:
  explicit Snapshot(std::shared_ptr<const config::Config> config);
  Result<void> add_trusted();
  Result<void> add_auth_policy();
  Result<void> add_sites(const std::shared_ptr<tls::TicketKeys>& tickets, const Snapshot* before);
  RouteStates route_states() const;
  Result<void> add_policy(Site& site, const std::shared_ptr<tls::TicketKeys>& tickets);
  Result<void> place(Site& site);
  Result<void> place(const Site& site, const config::Listen& listen, bool tls);
  Result<Endpoint*> want(const config::Listen& listen, bool tls);

  std::shared_ptr<const config::Config> config_;
  std::vector<std::shared_ptr<const tls::ServerPolicy>> policies_;
  std::deque<Site> sites_;
  std::deque<Endpoint> endpoints_;
  HostMap all_;
  std::vector<Cidr> trusted_;
  AccessFormat access_format_;
  backend::Plans backends_;
  std::shared_ptr<const tls::ClientPolicy> auth_policy_;
};

}  // namespace gatehouse::serve
