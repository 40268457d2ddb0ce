#include "proxy/serve/backend/plan.hpp"

#include <tuple>

namespace gatehouse::serve::backend {
namespace {

using Scheme = config::BackendServer::Scheme;
/// Backends that verify alike share one policy: reading the system's roots costs megabytes.
using Policies = std::map<std::tuple<bool, std::string>, std::shared_ptr<const tls::ClientPolicy>>;

Error refused(std::string why) { return Error(Fault::bad_message, Side::self, std::move(why)); }

Result<std::shared_ptr<const tls::ClientPolicy>> policy_for(const config::BackendTls& tls,
                                                            Policies& made) {
  auto& policy = made[{tls.verify, tls.roots}];
  if (!policy) {
    tls::ClientPolicy::Settings settings;
    settings.verify = tls.verify;
    settings.roots_file = tls.roots;
    settings.alpn = {"http/1.1"};
    auto fresh = tls::ClientPolicy::make(settings);
    if (!fresh) return fresh.error();
    // Here and not on a worker, in a request.
    if (auto ready = (*fresh)->ready(); !ready) return ready.error();
    policy = *fresh;
  }
  return policy;
}

Result<ServerPlan> plan_server(const config::BackendServer& from, const config::BackendTls& tls,
                               Policies& policies) {
  ServerPlan plan;
  plan.text = from.text;
  plan.weight = std::max<std::uint32_t>(from.weight, 1);
  plan.backup = from.backup;
  switch (from.scheme) {
    case Scheme::http:
    case Scheme::https:
      plan.target.host = from.host;
      plan.target.port = from.port;
      plan.authority = plan.target.text();
      break;
    case Scheme::unix_path:
      plan.target.unix_path = from.host;
      plan.authority = "localhost";
      break;
    case Scheme::h2c:
    case Scheme::srv_http:
      return refused(from.text + ": this kind of server is not available in this version");
  }
  plan.identity = plan.target.text();
  if (from.scheme == Scheme::https) {
    auto policy = policy_for(tls, policies);
    if (!policy) return std::move(policy).error().within(from.text);
    plan.tls = *policy;
    plan.server_name = tls.server_name.empty() ? from.host : tls.server_name;
    plan.identity += tls.verify ? " tls " : " tls-unverified ";
    plan.identity += plan.server_name + ' ' + tls.roots;
  }
  return plan;
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
  for (const config::BackendServer& server : from.servers) {
    auto made = plan_server(server, from.tls, policies);
    if (!made) return made.error();
    if (from.proxy_protocol != 0)
      made->identity += " introduced";  // no idle connection carries over
    plan->servers.push_back(std::move(*made));
  }
  return std::shared_ptr<const Plan>(std::move(plan));
}

}  // namespace

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
