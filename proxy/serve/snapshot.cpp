#include "proxy/serve/snapshot.hpp"

#include <algorithm>

#include "core/base/contains.hpp"
#include "core/base/entropy.hpp"
#include "core/base/log.hpp"
#include "core/base/time_format.hpp"
#include "core/base/url.hpp"
#include "core/http/h1_server.hpp"
#include "core/tls/pem_file.hpp"
#include "core/tls/tls_stream.hpp"
#include "proxy/serve/detail/settings.hpp"
#include "proxy/serve/hsts.hpp"

namespace gatehouse::serve {
namespace {

using namespace std::chrono_literals;

Error cannot(const Site& site, std::string_view why) {
  return Error(Fault::denied, Side::self, "site " + site.name + ": " + std::string(why));
}

/// What the site asks for, as far as this build speaks it.
std::vector<std::string> spoken_alpn(const config::Site& site, const config::Server& server) {
  const bool h2 = contains(server.protocols, "h2");
  std::vector<std::string> spoken;
  for (const std::string& name : site.tls.alpn) {
    if (name == "http/1.1" || (name == "h2" && h2)) spoken.push_back(name);
  }
  if (spoken.empty()) spoken.emplace_back("http/1.1");
  return spoken;
}

std::shared_ptr<const http::H1ServerSettings> h1_settings(const config::Server& server, bool tls) {
  auto settings = detail::settings_of<http::H1ServerSettings>(server, tls);
  settings.may_be_h2 = !tls && contains(server.protocols, "h2");
  // Busy connections do without the little work it is to rest and to wake.
  settings.rest_after = http::ServerConnection::idle_after;
  return std::make_shared<const http::H1ServerSettings>(settings);
}

/// Files are read anew each time: what they hold is part of the policy.
Result<tls::ClientAuth> read_client_auth(const config::ClientAuth& from) {
  using Mode = tls::ClientAuth::Mode;
  tls::ClientAuth auth;
  if (from.mode == "off") return auth;
  auth.mode = from.mode == "require" ? Mode::require : Mode::request;
  auto roots = tls::read_pem_file(from.roots);
  if (!roots) return std::move(roots).error().within("client_auth.roots");
  auth.roots = std::move(*roots);
  if (from.crl.empty()) return auth;
  auto crl = tls::read_pem_file(from.crl);
  if (!crl) return std::move(crl).error().within("client_auth.crl");
  if (crl->empty()) return Error(Fault::bad_message, Side::self, "client_auth.crl: file is empty");
  auth.crl = std::move(*crl);
  return auth;
}

/// The port that redirects to https name: the first listener that has one.
std::uint16_t public_port(const std::vector<config::Listen>& https) {
  for (const config::Listen& listen : https) {
    using Kind = config::Listen::Kind;
    if (listen.kind == Kind::any || listen.kind == Kind::address) return listen.port;
    if (listen.kind == Kind::descriptor) return 443;  // whoever handed it over bound the usual one
  }
  return 0;
}

bool looks_at_path(const config::Route& route) {
  return !route.path.empty() || !route.strip_prefix.empty() || route.rewrite.has_value();
}

bool wants_acme(const config::Config& config) {
  const auto by_acme = [](const config::Site& site) {
    return site.tls.mode == config::TlsMode::acme || site.tls.mode == config::TlsMode::on_demand;
  };
  return !config.certificates.empty() ||
         std::any_of(config.sites.begin(), config.sites.end(), by_acme);
}

}  // namespace

Site::Site(const config::Site& from, std::size_t place)
    : settings(from),
      index(place),
      name(from.hosts.empty() ? "*" : from.hosts.front()),
      hsts(hsts_value(from.tls.hsts)) {
  routes.reserve(from.routes.size());
  for (const config::Route& route : from.routes) routes.emplace_back(route, *this, routes.size());
  decides_by_path = std::any_of(from.routes.begin(), from.routes.end(), looks_at_path);
}

Result<void> Site::compile(const RouteStates& kept, ErrorPageFiles& pages, Entropy& entropy) {
  for (Route& route : routes) {
    auto compiled = route.compile(kept, pages, entropy);
    if (!compiled) return std::move(compiled).error().within("route " + route.name);
  }
  auto loaded = ErrorPages::load(settings.errors, pages);
  if (!loaded) return loaded.error();
  error_pages = std::move(*loaded);
  return {};
}

const Route* Site::route(const http::RequestHead& request, std::string_view path,
                         const asio::ip::address& client) const {
  for (const Route& candidate : routes) {
    if (candidate.matches(request, path, client)) return &candidate;
  }
  return nullptr;
}

bool HostMap::add(std::string_view host, const Site& site) {
  if (host == "*") {
    const bool first = any_ == nullptr || any_ == &site;
    any_ = &site;
    return first;
  }
  Table& table = host.starts_with("*.") ? wildcard_ : exact_;
  if (host.starts_with("*.")) host.remove_prefix(2);
  const auto [at, added] = table.try_emplace(std::string(host), &site);
  return added || at->second == &site;
}

const Site* HostMap::find_exact(std::string_view host) const {
  const auto found = exact_.find(host);
  return found != exact_.end() ? found->second : nullptr;
}

const Site* HostMap::find(std::string_view host) const {
  if (const Site* exact = find_exact(host)) return exact;
  const std::size_t dot = wildcard_.empty() ? std::string_view::npos : host.find('.');
  if (dot != std::string_view::npos) {
    const auto found = wildcard_.find(host.substr(dot + 1));
    if (found != wildcard_.end()) return found->second;
  }
  return any_;
}

Snapshot::Snapshot(std::shared_ptr<const config::Config> config)
    : config_(std::move(config)), access_format_(config_->log) {}

Result<std::shared_ptr<const Snapshot>> Snapshot::build(
    std::shared_ptr<const config::Config> config, std::shared_ptr<tls::TicketKeys> tickets,
    const Snapshot* before) {
  std::shared_ptr<Snapshot> made(new Snapshot(std::move(config)));
  const auto trusted = made->add_trusted();
  if (!trusted) return trusted.error();
  const auto auth = made->add_auth_policy();
  if (!auth) return auth.error();
  auto backends = backend::make_plans(*made->config_);
  if (!backends) return backends.error();
  made->backends_ = std::move(*backends);
  const auto added = made->add_sites(tickets, before);
  if (!added) return added.error();
  return std::shared_ptr<const Snapshot>(std::move(made));
}

Result<void> Snapshot::add_trusted() {
  auto blocks = parse_blocks(config_->server.trusted_proxies);
  if (!blocks) return std::move(blocks).error().within("trusted_proxies");
  trusted_ = std::move(*blocks);
  return {};
}

/// Reading the system's roots costs megabytes: only where they are used.
Result<void> Snapshot::add_auth_policy() {
  const auto asks_https = [](const config::Route& route) {
    if (!route.forward_auth) return false;
    const auto url = Url::parse(route.forward_auth->url);
    return url && url->secure();
  };
  const auto has_one = [&](const config::Site& site) {
    return std::any_of(site.routes.begin(), site.routes.end(), asks_https);
  };
  if (std::none_of(config_->sites.begin(), config_->sites.end(), has_one)) return {};
  tls::ClientPolicy::Settings verified;
  verified.alpn = {"http/1.1"};
  auto policy = tls::ClientPolicy::make(verified);
  if (!policy) return std::move(policy).error().within("forward_auth");
  auth_policy_ = *std::move(policy);
  return {};
}

RouteStates Snapshot::route_states() const {
  RouteStates states;
  for (const Site& site : sites_) {
    for (const Route& route : site.routes) {
      if (route.state) states.emplace(route.identity(), route.state);
    }
  }
  return states;
}

Result<void> Snapshot::add_sites(const std::shared_ptr<tls::TicketKeys>& tickets,
                                 const Snapshot* before) {
  const RouteStates kept = before ? before->route_states() : RouteStates();
  ErrorPageFiles pages;
  SystemEntropy entropy;
  for (const config::Site& from : config_->sites) {
    Site& site = sites_.emplace_back(from, sites_.size());
    const auto compiled = site.compile(kept, pages, entropy);
    if (!compiled) return cannot(site, compiled.error().detail());
    if (site.uses_tls() && !site.passes_through()) {
      const auto policy = add_policy(site, tickets);
      if (!policy) return policy.error();
    }
    const auto placed = place(site);
    if (!placed) return placed.error();
  }
  // Challenges come by the server's own listeners also where no site is served there.
  if (!wants_acme(*config_)) return {};
  for (const config::Listen& listen : config_->server.http) {
    const auto wanted = want(listen, false);
    if (!wanted) return wanted.error();
  }
  if (config_->certificates.empty()) return {};
  for (const config::Listen& listen : config_->server.https) {
    const auto wanted = want(listen, true);
    if (!wanted) return wanted.error();
  }
  return {};
}

Result<void> Snapshot::add_policy(Site& site, const std::shared_ptr<tls::TicketKeys>& tickets) {
  tls::PolicySettings wanted;
  wanted.min_version = site.settings.tls.min_version == "1.3" ? 13 : 12;
  wanted.ciphers = site.settings.tls.ciphers;
  wanted.alpn = spoken_alpn(site.settings, config_->server);
  wanted.lean_records = config_->server.lean_records;
  auto client_auth = read_client_auth(site.settings.tls.client_auth);
  if (!client_auth) return cannot(site, client_auth.error().detail());
  wanted.client_auth = std::move(*client_auth);
  for (const auto& policy : policies_) {
    if (policy->settings() == wanted) site.policy = policy;
  }
  if (site.policy) return {};
  auto made = tls::ServerPolicy::make(wanted, tickets);
  if (!made) return cannot(site, made.error().detail());
  const auto& until = (*made)->crl_until();
  if (until && *until <= std::chrono::system_clock::now()) {
    log::error("revocation list is out of date: no client certificate will be accepted",
               {{"site", site.name},
                {"file", site.settings.tls.client_auth.crl},
                {"next_update", rfc3339_seconds(*until)}});
  }
  policies_.push_back(*made);
  site.policy = std::move(*made);
  return {};
}

Result<void> Snapshot::place(Site& site) {
  const auto& http = site.settings.http ? *site.settings.http : config_->server.http;
  const auto& https = site.settings.https ? *site.settings.https : config_->server.https;
  for (const std::string& host : site.settings.hosts) all_.add(host, site);
  for (const config::Listen& listen : http) {
    const auto placed = place(site, listen, false);
    if (!placed) return placed.error();
  }
  if (!site.uses_tls()) return {};
  site.https_port = public_port(https);
  for (const config::Listen& listen : https) {
    const auto placed = place(site, listen, true);
    if (!placed) return placed.error();
  }
  return {};
}

Result<void> Snapshot::place(const Site& site, const config::Listen& listen, bool tls) {
  auto endpoint = want(listen, tls);
  if (!endpoint) return cannot(site, endpoint.error().detail());
  if (tls && site.passes_through()) (*endpoint)->passes_through = true;
  for (const std::string& host : site.settings.hosts) {
    if (!(*endpoint)->sites.add(host, site)) {
      return cannot(site, "another site has '" + host + "' on " + listen.text);
    }
  }
  return {};
}

Result<Endpoint*> Snapshot::want(const config::Listen& listen, bool tls) {
  for (Endpoint& known : endpoints_) {
    if (known.listen.text != listen.text) continue;
    if (known.tls == tls) return &known;
    return Error(Fault::denied, Side::self, listen.text + " is asked for with and without TLS");
  }
  Endpoint& made = endpoints_.emplace_back();
  made.listen = listen;
  made.tls = tls;
  made.h1 = h1_settings(config_->server, tls);
  return &made;
}

const Endpoint* Snapshot::endpoint(std::string_view listen) const {
  for (const Endpoint& known : endpoints_) {
    if (known.listen.text == listen) return &known;
  }
  return nullptr;
}

bool Snapshot::trusts(const asio::ip::address& peer) const {
  const auto holds = [&](const Cidr& block) { return block.contains(peer); };
  return std::any_of(trusted_.begin(), trusted_.end(), holds);
}

int Snapshot::unknown_host_status(bool tls) const {
  return config_->server.default_host_response.value_or(tls ? 421 : 404);
}

}  // namespace gatehouse::serve
