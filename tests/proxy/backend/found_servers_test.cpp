#include "proxy/serve/backend/found_servers.hpp"

#include <doctest/doctest.h>

#include <algorithm>

namespace found_servers_test {

using namespace gatehouse;
using namespace gatehouse::serve::backend;

namespace {

using Scheme = config::BackendServer::Scheme;

config::BackendServer server(Scheme scheme, const std::string& text, const std::string& host,
                             std::uint16_t port = 0) {
  config::BackendServer out;
  out.scheme = scheme;
  out.text = text;
  out.host = host;
  out.port = port;
  return out;
}

std::shared_ptr<const Plan> plan_of(std::vector<config::BackendServer> servers,
                                    const std::string& server_name = "") {
  config::Config config;
  config.backends.emplace_back();
  config.backends[0].name = "app";
  config.backends[0].servers = std::move(servers);
  config.backends[0].tls.verify = false;  // no roots to read
  config.backends[0].tls.server_name = server_name;
  return make_plans(config).value().at("app");
}

std::vector<std::string> texts(const Plan& plan) {
  std::vector<std::string> out;
  for (const ServerPlan& each : plan.servers) out.push_back(each.text);
  return out;
}

using Texts = std::vector<std::string>;
const auto service =
    server(Scheme::srv_http, "srv+http://_web._tcp.a.example", "_web._tcp.a.example");

}  // namespace

TEST_CASE("a service stands in its place in the file, with the servers that DNS names") {
  const auto plan = plan_of({server(Scheme::http, "one:80", "one", 80), service,
                             server(Scheme::http, "two:80", "two", 80)});
  CHECK(texts(*plan) == Texts{"one:80", "two:80"});
  const auto none = with_services(plan, {});
  CHECK(texts(*none) == Texts{"one:80", "two:80"});
  const auto found =
      with_services(plan, {{service.host, {{"x.example", 81, 0, 0}, {"y.example", 82, 0, 0}}}});
  CHECK(texts(*found) == Texts{"one:80", "x.example:81", "y.example:82", "two:80"});
  CHECK(found->servers[1].target.host == "x.example");
  CHECK(found->servers[1].target.port == 81);
  CHECK(found->servers[1].authority == "x.example:81");
  CHECK(found->servers[1].identity == "x.example:81");
  CHECK(found->servers[1].vitals != found->servers[2].vitals);
  CHECK(found->servers[0].vitals == plan->servers[0].vitals);
  // Those without weights are as good as the others of the file.
  for (const ServerPlan& each : found->servers) CHECK(each.weight == found->servers[0].weight);
}

TEST_CASE("a plan without services stays the same object") {
  const auto plan = plan_of({server(Scheme::http, "one:80", "one", 80)});
  CHECK(with_services(plan, {}) == plan);
}

TEST_CASE("records give weight and priority, beside others weight 0 is nearly nothing") {
  auto heavy = service;
  heavy.weight = 3;
  heavy.backup = true;
  heavy.max_requests = 7;
  const auto plan = plan_of({heavy, server(Scheme::http, "one:80", "one", 80)});
  const auto found = with_services(plan, {{service.host,
                                           {{"a.example", 80, 10, 60},
                                            {"b.example", 80, 10, 20},
                                            {"c.example", 80, 10, 0},
                                            {"d.example", 80, 20, 0},
                                            {"e.example", 80, 30, 65535}}}});
  REQUIRE(found->servers.size() == 6);
  const auto& all = found->servers;
  CHECK(all[0].weight == 3 * all[1].weight);
  CHECK(all[0].weight + all[1].weight == 2 * 3 * all[5].weight);  // on average 3 beside 1
  CHECK(all[2].weight == 1);
  CHECK(all[3].weight == 3 * all[5].weight);
  CHECK(all[4].weight == 3 * all[5].weight);
  CHECK(all[0].priority == 10);
  CHECK(all[3].priority == 20);
  CHECK(all[5].priority == 0);
  CHECK(all[0].backup);
  CHECK(all[0].max_requests == 7);
  CHECK_FALSE(all[5].backup);
}

TEST_CASE("the largest weights do not overflow") {
  auto heavy = service;
  heavy.weight = 1000;
  std::vector<net::ServiceRecord> records{{"big.example", 80, 0, 65535}};
  for (std::uint16_t i = 1; i < net::most_service_records; ++i) {
    records.push_back({"small.example", i, 0, 1});
  }
  const auto found = with_services(plan_of({heavy}), {{service.host, records}});
  constexpr std::uint64_t percent = 100;  // of a slow start
  CHECK(found->servers[0].weight * percent < std::uint64_t{1} << 32);
  CHECK(found->servers[0].weight > 60'000 * found->servers[1].weight);
}

TEST_CASE("servers of a service are spoken to as its scheme says") {
  const auto records = std::vector<net::ServiceRecord>{{"x.example", 443, 0, 0}};
  const auto secure = plan_of(
      {server(Scheme::srv_https, "srv+https://_web._tcp.a.example", "_web._tcp.a.example")});
  const auto tls = with_services(secure, {{"_web._tcp.a.example", records}});
  REQUIRE(tls->servers.size() == 1);
  CHECK(tls->servers[0].tls != nullptr);
  CHECK(tls->servers[0].text == "https://x.example:443");
  CHECK(tls->servers[0].protocol == Protocol::by_server);
  // A certificate for a host that DNS named would prove nothing.
  CHECK(tls->servers[0].server_name == "a.example");
  CHECK(tls->servers[0].authority == "a.example:443");
  CHECK(tls->servers[0].identity.starts_with("x.example:443 tls-unverified a.example "));

  const auto named =
      plan_of({server(Scheme::srv_https, "srv+https://_web._tcp.a.example", "_web._tcp.a.example")},
              "own.example");
  CHECK(named->services[0].model.server_name == "own.example");

  const auto clear =
      with_services(plan_of({server(Scheme::srv_h2c, "srv+h2c://web.consul", "web.consul")}),
                    {{"web.consul", records}});
  CHECK(clear->servers[0].protocol == Protocol::h2);
  CHECK(clear->servers[0].text == "h2c://x.example:443");
  CHECK(clear->servers[0].identity == "x.example:443 h2c");
}

}  // namespace found_servers_test
