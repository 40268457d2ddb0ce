// What the admin API tells of the running service, as JSON.

#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>

#include "config/load.hpp"
#include "core/base/host.hpp"
#include "core/base/time_format.hpp"
#include "proxy/control/service.hpp"
#include "proxy/serve/backend/pools.hpp"

namespace gatehouse::control {
namespace {

using nlohmann::json;

std::string_view name(config::TlsMode mode) {
  switch (mode) {
    case config::TlsMode::acme:
      return "acme";
    case config::TlsMode::on_demand:
      return "on_demand";
    case config::TlsMode::internal:
      return "internal";
    case config::TlsMode::files:
      return "files";
    case config::TlsMode::off:
      return "off";
    case config::TlsMode::passthrough:
      return "passthrough";
  }
  return "unknown";
}

/// Names and details come from CAs and files: what is no UTF-8 is replaced, not thrown over.
std::string text(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

json date(const std::optional<Wall>& when) {
  return when ? json(rfc3339_seconds(*when)) : json(nullptr);
}

json as_json(const acme::CertificateStatus& certificate) {
  return {{"host", certificate.host},
          {"key_type", certificate.key_type},
          {"issuer", certificate.issuer},
          {"site", certificate.site},
          {"state", std::string(acme::name(certificate.state))},
          {"serial", certificate.serial},
          {"not_before", date(certificate.not_before)},
          {"not_after", date(certificate.not_after)},
          {"next_action", date(certificate.next_action)},
          {"last_error", certificate.last_error},
          {"attempts", certificate.attempts}};
}

json site_list(const config::Config& config) {
  json list = json::array();
  for (const config::Site& site : config.sites) {
    list.push_back({{"hosts", site.hosts},
                    {"tls", std::string(name(site.tls.mode))},
                    {"routes", site.routes.size()}});
  }
  return list;
}

std::string_view state_of(const Health::Server& server, Steady now) {
  using Ejection = serve::backend::Vitals::Ejection;
  if (server.vitals->down()) return "down";
  switch (server.vitals->ejection(now)) {
    case Ejection::none:
      break;
    case Ejection::out:
      return "ejected";
    case Ejection::half_open:
      return "half_open";
  }
  return "up";
}

/// Requests under way to each server, by backend and identity.
using Loads = std::map<std::pair<std::string, std::string>, std::uint64_t>;

void add_loads(serve::Worker& worker, const serve::backend::Plans& plans, Loads& loads) {
  for (const auto& [name, plan] : plans) {
    const auto backend = worker.pools->find(name);
    if (!backend) continue;
    for (const auto& pool : backend->servers()) {
      loads[{name, pool->server().identity}] += pool->standing().in_flight;
    }
  }
}

json backends(const Health& health, const Loads& loads, Steady now) {
  json list = json::array();
  const serve::backend::Plan* before = nullptr;
  for (const auto& server : health.servers()) {
    if (server->plan.get() != before) {
      before = server->plan.get();
      list.push_back({{"name", before->name}, {"servers", json::array()}});
    }
    const auto load = loads.find({server->plan->name, server->server->identity});
    const bool checked = !server->plan->health.path.empty() && server->pulse.known();
    list.back()["servers"].push_back({{"server", server->server->text},
                                      {"state", std::string(state_of(*server, now))},
                                      {"checked", checked},
                                      {"problem", server->last_problem},
                                      {"weight", server->server->weight},
                                      {"backup", server->server->backup},
                                      {"in_flight", load == loads.end() ? 0 : load->second}});
  }
  return list;
}

json services(const Discovery& discovery) {
  json list = json::array();
  for (const auto& [name, service] : discovery.services()) {
    list.push_back(
        {{"service", name}, {"servers", service->records.size()}, {"problem", service->problem}});
  }
  return list;
}

json counts(const serve::Counters& counters) {
  json by_class = json::object();
  for (std::size_t i = 1; i < counters.answers.size(); ++i) {
    by_class[std::to_string(i) + "xx"] = counters.answers[i];
  }
  return {{"accepted", counters.connections},
          {"handshakes", counters.handshakes},
          {"handshakes_resumed", counters.handshakes_resumed},
          {"handshakes_failed", counters.handshakes_failed},
          {"unknown_sni", counters.unknown_sni},
          {"passed_through", counters.passed_through},
          {"requests", counters.requests},
          {"answers", by_class},
          {"bytes_in", counters.bytes_in},
          {"bytes_out", counters.bytes_out},
          {"rejected", counters.rejected},
          {"rejected_by", counters.rejected_by},
          {"log_lines_dropped", counters.log_lines_dropped}};
}

}  // namespace

awaitable<AdminReply> Service::status() {
  if (stage_ == Stage::starting) co_return AdminReply::problem(503, "starting");
  const serve::Counters counters = co_await workers_->counters();
  Loads loads;
  const auto plans = snapshot_;
  const std::function<void(serve::Worker&)> look = [&](serve::Worker& worker) {
    add_loads(worker, plans->backends(), loads);
  };
  co_await workers_->on_each(look);
  json listeners = json::array();
  for (const auto& open : listeners_->open_addresses()) {
    const serve::Endpoint* endpoint = snapshot_->endpoint(open.address);
    const bool tls = endpoint && endpoint->tls;
    listeners.push_back({{"address", open.address}, {"port", open.port}, {"tls", tls}});
  }
  json states = json::object();
  for (const auto& certificate : certificates_->keeper().status()) {
    const std::string state(acme::name(certificate.state));
    states[state] = states.value(state, 0) + 1;
  }
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(clock_.wall() - started_);
  const json body = {
      {"version", GATEHOUSE_VERSION},
      {"pid", ::getpid()},
      {"state", stage_ == Stage::serving ? "serving" : "draining"},
      {"started", rfc3339_seconds(started_)},
      {"uptime_seconds", uptime.count()},
      {"config", source_.name},
      {"data_dir", config().server.data_dir},
      {"workers", workers_->size()},
      {"listeners", listeners},
      {"sites", site_list(config())},
      {"backends", backends(*health_, loads, clock_.steady())},
      {"services", services(*discovery_)},
      {"certificates", states},
      {"handshakes_waiting", certificates_->keeper().waiting()},
      {"connections",
       {{"open", counters.open}, {"idle", counters.idle}, {"tunnels", counters.tunnels}}},
      {"counters", counts(counters)}};
  co_return AdminReply::json(text(body));
}

AdminReply Service::effective_config() {
  if (!snapshot_) return AdminReply::problem(503, "starting");
  const json body = {{"file", source_.name}, {"toml", config::print(config())}};
  return AdminReply::json(text(body));
}

AdminReply Service::certificates() {
  if (stage_ == Stage::starting) return AdminReply::problem(503, "starting");
  json list = json::array();
  for (const auto& certificate : certificates_->keeper().status()) {
    list.push_back(as_json(certificate));
  }
  return AdminReply::json(text({{"certificates", list}}));
}

AdminReply Service::certificate(const std::string& host) {
  if (stage_ == Stage::starting) return AdminReply::problem(503, "starting");
  // A wildcard's name may come with its '*' escaped.
  std::string wanted =
      host.starts_with("%2A.") || host.starts_with("%2a.") ? "*" + host.substr(3) : host;
  const bool wildcard = wanted.starts_with("*.");
  const auto normal = normal_host(wildcard ? wanted.substr(2) : wanted);
  if (!normal) return AdminReply::problem(400, "that is no host name");
  wanted = wildcard ? "*." + *normal : *normal;
  json list = json::array();
  for (const auto& certificate : certificates_->keeper().status()) {
    if (certificate.host == wanted) list.push_back(as_json(certificate));
  }
  if (list.empty()) return AdminReply::problem(404, "no certificate is kept for " + wanted);
  return AdminReply::json(text({{"certificates", list}}));
}

awaitable<AdminReply> Service::reload() {
  const ReloadOutcome outcome = co_await reload_now();
  if (outcome.changes) {
    const json body = {{"applied", outcome.changes->applied},
                       {"needs_restart", outcome.changes->needs_restart}};
    co_return AdminReply::json(text(body));
  }
  AdminReply reply = AdminReply::problem(
      outcome.invalid ? 422 : 409,
      outcome.invalid ? "the config has errors; what runs was not changed"
                      : "the config could not be applied; what runs was not changed");
  json body = json::parse(reply.body);
  body["errors"] = outcome.problems;
  reply.body = text(body);
  co_return reply;
}

AdminReply Service::stop() {
  request_stop();
  return {202, "application/json", text({{"state", "draining"}})};
}

}  // namespace gatehouse::control
