#include "proxy/serve/backend/plan.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <tuple>

#include "core/base/bytes.hpp"
#include "core/base/contains.hpp"
#include "core/http/header_rules.hpp"
#include "core/tls/certificate.hpp"
#include "core/tls/digest.hpp"
#include "core/tls/pem_file.hpp"

namespace gatehouse::serve::backend {
namespace {

using Scheme = config::BackendServer::Scheme;
/// How the servers of a backend are verified and what is shown to them. `digest` stands for what
/// the files hold: connections that were made by other ones do not carry over.
struct Trust {
  std::shared_ptr<const tls::ClientPolicy> policy;
  std::string digest;
};
/// Backends that verify alike share one policy: reading the system's roots costs megabytes.
using Policies = std::map<std::tuple<bool, std::string>, Trust>;

/// Fills `settings` from the files of `tls`; the text is all that they hold.
Result<std::string> read_files(const config::BackendTls& tls,
                               tls::ClientPolicy::Settings& settings) {
  std::string all;
  if (!tls.roots.empty()) {
    auto roots = tls::read_pem_file(tls.roots);
    if (!roots) return std::move(roots).error().within("tls.roots");
    settings.roots_pem = *roots;
    settings.roots_file = tls.roots;
    all = std::move(*roots);
  }
  if (tls.cert.empty()) return all;
  auto cert = tls::read_pem_file(tls.cert);
  if (!cert) return std::move(cert).error().within("tls.cert");
  auto key = tls::read_pem_file(tls.key);
  if (!key) return std::move(key).error().within("tls.key");
  auto identity = tls::Certificate::parse(*cert, *key);
  if (!identity) return std::move(identity).error().within("tls.cert " + tls.cert);
  settings.identity = std::move(*identity);
  return all + '\0' + *cert + '\0' + *key;
}

Result<Trust> trust_for(const config::BackendTls& tls, Policies& made) {
  tls::ClientPolicy::Settings settings;
  settings.verify = tls.verify;
  settings.alpn = {"h2", "http/1.1"};
  auto files = read_files(tls, settings);
  if (!files) return files.error();
  std::string digest = hex(tls::sha256(*files));
  Trust& trust = made[{tls.verify, digest}];
  if (!trust.policy) {
    auto fresh = tls::ClientPolicy::make(settings);
    if (!fresh) return std::move(fresh).error().within(tls.roots.empty() ? "tls" : tls.roots);
    // Here and not on a worker, in a request.
    if (auto ready = (*fresh)->ready(); !ready) return ready.error();
    trust.policy = std::move(*fresh);
    trust.digest = std::move(digest);
  }
  return trust;
}

bool is_service(Scheme scheme) {
  return scheme == Scheme::srv_http || scheme == Scheme::srv_https || scheme == Scheme::srv_h2c;
}

/// A certificate must name what the administrator wrote, not where an unsigned DNS answer led to:
/// the domain that offers the service (RFC 9525 §2).
std::string domain_of(std::string_view service) {
  while (service.starts_with('_') && service.find('.') != std::string_view::npos) {
    service.remove_prefix(service.find('.') + 1);
  }
  return std::string(service);
}

/// Of a service: what its servers have in common.
Result<ServerPlan> plan_server(const config::BackendServer& from, const config::BackendTls& tls,
                               Policies& policies) {
  ServerPlan plan;
  plan.text = from.text;
  plan.weight = std::max<std::uint32_t>(from.weight, 1);
  plan.backup = from.backup;
  plan.max_requests = from.max_requests;
  plan.vitals = std::make_shared<Vitals>();
  switch (from.scheme) {
    case Scheme::http:
    case Scheme::https:
    case Scheme::h2c:
      plan.target.host = from.host;
      plan.target.port = from.port;
      plan.authority = plan.target.text();
      break;
    case Scheme::unix_path:
      plan.target.unix_path = from.host;
      plan.authority = "localhost";
      break;
    case Scheme::srv_http:
    case Scheme::srv_https:
    case Scheme::srv_h2c:
      break;
  }
  if (!is_service(from.scheme)) plan.identity = plan.target.text();
  if (from.scheme == Scheme::h2c || from.scheme == Scheme::srv_h2c) {
    plan.protocol = Protocol::h2;
    plan.identity += " h2c";
  }
  if (from.scheme == Scheme::https || from.scheme == Scheme::srv_https) {
    auto trust = trust_for(tls, policies);
    if (!trust) return std::move(trust).error().within(from.text);
    plan.protocol = Protocol::by_server;
    plan.tls = trust->policy;
    plan.server_name = tls.server_name;
    if (plan.server_name.empty()) {
      plan.server_name = from.scheme == Scheme::https ? from.host : domain_of(from.host);
    }
    plan.authority = authority_of(plan);
    plan.identity += tls.verify ? " tls " : " tls-unverified ";
    plan.identity += plan.server_name + ' ' + trust->digest;
  }
  return plan;
}

void add_choice(const config::Backend& from, Plan& plan) {
  struct Word {
    std::string_view word;
    Policy policy;
    KeyOf key_of = KeyOf::client;
  };
  static constexpr std::array<Word, 9> words = {{
      {"two_choices", Policy::two_choices},
      {"round_robin", Policy::round_robin},
      {"least_requests", Policy::least_requests},
      {"random", Policy::random},
      {"first", Policy::first},
      {"client_hash", Policy::hash, KeyOf::client},
      {"path_hash", Policy::hash, KeyOf::path},
      {"header_hash", Policy::hash, KeyOf::header},
      {"cookie_hash", Policy::hash, KeyOf::cookie},
  }};
  for (const Word& each : words) {
    if (each.word != from.policy) continue;
    plan.policy = each.policy;
    plan.key_of = each.key_of;
  }
  plan.key_name = from.hash_key;
  plan.sticky_cookie = from.sticky_cookie;
  plan.slow_start = from.slow_start;
}

/// "200-399", "204", "2xx" or several with commas; checked when it was read.
std::vector<std::pair<int, int>> statuses_of(std::string_view text) {
  const auto number = [](std::string_view digits) {
    int out = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return out;
  };
  std::vector<std::pair<int, int>> out;
  while (!text.empty()) {
    const std::string_view part = http::trim(text.substr(0, text.find(',')));
    text.remove_prefix(std::min(text.find(','), text.size() - 1) + 1);
    const std::size_t dash = part.find('-');
    if (part.ends_with("xx")) {
      const int hundreds = number(part.substr(0, 1)) * 100;
      out.emplace_back(hundreds, hundreds + 99);
    } else if (dash == std::string_view::npos) {
      out.emplace_back(number(part), number(part));
    } else {
      out.emplace_back(number(http::trim(part.substr(0, dash))),
                       number(http::trim(part.substr(dash + 1))));
    }
  }
  return out;
}

void add_healing(const config::Backend& from, Plan& plan) {
  const auto has = [&](std::string_view word) { return contains(from.retry_on, word); };
  plan.retry_on = {has("connect"), has("timeout"), has("502"), has("503"), has("504")};
  plan.eject = {from.eject.failures, from.eject.within, from.eject.for_, from.eject.max_share};
  plan.health.path = from.health.path;
  plan.health.interval = from.health.interval;
  plan.health.timeout = from.health.timeout;
  plan.health.rise = from.health.rise;
  plan.health.fall = from.health.fall;
  plan.health.statuses = statuses_of(from.health.status);
  plan.ward = std::make_shared<Ward>();
}

Result<std::shared_ptr<const Plan>> plan_backend(const config::Backend& from, Policies& policies) {
  auto plan = std::make_shared<Plan>();
  plan->name = from.name;
  plan->resolve = from.resolve;
  plan->connect_timeout = from.connect_timeout;
  plan->response_timeout = from.response_timeout;
  plan->idle_timeout = from.idle_timeout;
  plan->idle_connections = from.idle_connections;
  plan->retries = from.retries;
  plan->retry_budget = from.retry_budget;
  plan->proxy_protocol = from.proxy_protocol;
  add_choice(from, *plan);
  add_healing(from, *plan);
  for (const config::BackendServer& server : from.servers) {
    auto made = plan_server(server, from.tls, policies);
    if (!made) return made.error();
    if (from.proxy_protocol != 0)
      made->identity += " introduced";  // no idle connection carries over
    if (!is_service(server.scheme)) {
      plan->servers.push_back(std::move(*made));
      continue;
    }
    ServicePlan service;
    service.name = server.host;
    service.place = plan->servers.size();
    service.model = std::move(*made);
    plan->services.push_back(std::move(service));
  }
  return std::shared_ptr<const Plan>(std::move(plan));
}

}  // namespace

std::string authority_of(const ServerPlan& server) {
  net::Target named = server.target;
  if (!server.server_name.empty()) named.host = server.server_name;
  return named.text();
}

Result<Plans> make_plans(const config::Config& config) {
  Plans plans;
  Policies policies;
  for (const config::Backend& from : config.backends) {
    auto plan = plan_backend(from, policies);
    if (!plan) return std::move(plan).error().within("backend " + from.name);
    plans.emplace(from.name, std::move(*plan));
  }
  return plans;
}

}  // namespace gatehouse::serve::backend
