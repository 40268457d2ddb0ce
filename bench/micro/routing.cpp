// From a request's host and path to its route, in a configuration of 10,000 sites.

#include <benchmark/benchmark.h>

#include <memory>

#include "core/base/entropy.hpp"
#include "core/tls/tickets.hpp"
#include "proxy/serve/request_path.hpp"
#include "proxy/serve/snapshot.hpp"

namespace gatehouse::serve {
namespace {

constexpr std::size_t hosts = 10'000;

std::string host_of(std::size_t number) { return "n" + std::to_string(number) + ".shop.example"; }

std::shared_ptr<const config::Config> many_sites() {
  auto config = std::make_shared<config::Config>();
  config::Listen listen;
  listen.kind = config::Listen::Kind::address;
  listen.address = "127.0.0.1";
  listen.text = "127.0.0.1:80";
  config->server.http = {listen};
  for (std::size_t i = 0; i < hosts; ++i) {
    config::Site site;
    site.hosts = {host_of(i), "*." + host_of(i)};
    site.tls.mode = config::TlsMode::off;
    for (const char* path : {"/api/*", "/static/*", ""}) {
      config::Route route;
      if (*path != '\0') route.path = {path};
      route.respond.emplace();
      site.routes.push_back(std::move(route));
    }
    config->sites.push_back(std::move(site));
  }
  return config;
}

std::shared_ptr<const Snapshot> snapshot() {
  static SystemEntropy entropy;
  static const auto tickets =
      std::make_shared<tls::TicketKeys>(entropy, std::chrono::system_clock::now());
  return Snapshot::build(many_sites(), tickets).value();
}

void route(benchmark::State& state, const std::string& prefix) {
  static const auto served = snapshot();
  std::vector<std::string> asked;
  for (std::size_t i = 0; i < hosts; i += 7) asked.push_back(prefix + host_of(i));
  const HostMap& sites = served->endpoint("127.0.0.1:80")->sites;
  http::RequestHead request;
  request.method = "GET";
  request.path = "/articles/2026/11/a-title-of-some-length";
  const auto client = asio::ip::make_address("203.0.113.7");
  std::string room;
  std::size_t next = 0;
  for (auto _ : state) {
    const Site* const site = sites.find(asked[next]);
    const RequestPath path = RequestPath::of(request.path, room);
    benchmark::DoNotOptimize(site->route(request, path.text, client));
    next = next + 1 == asked.size() ? 0 : next + 1;
  }
}
BENCHMARK_CAPTURE(route, exact, "");
BENCHMARK_CAPTURE(route, wildcard, "www.");

void build_snapshot(benchmark::State& state) {
  SystemEntropy entropy;
  const auto tickets = std::make_shared<tls::TicketKeys>(entropy, std::chrono::system_clock::now());
  const auto config = many_sites();
  for (auto _ : state) benchmark::DoNotOptimize(Snapshot::build(config, tickets));
}
BENCHMARK(build_snapshot)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace gatehouse::serve
