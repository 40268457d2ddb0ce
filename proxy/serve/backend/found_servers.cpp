#include "proxy/serve/backend/found_servers.hpp"

#include <algorithm>

namespace gatehouse::serve::backend {
namespace {

// What a server of weight 1 weighs beside servers of a service, whose shares are seldom whole
// multiples of it.
constexpr std::uint32_t unit = 100;

/// What the weights of one priority add up to, and over how many servers.
struct Weights {
  std::uint64_t sum = 0;
  std::uint64_t count = 0;
};

Weights weights_of(const std::vector<net::ServiceRecord>& records, std::uint16_t priority) {
  Weights all;
  for (const net::ServiceRecord& record : records) {
    if (record.priority != priority || record.weight == 0) continue;
    all.sum += record.weight;
    ++all.count;
  }
  return all;
}

/// A record's share, so that the servers of a service weigh on average what the config says of it.
/// Weight 0 beside others is nearly nothing, and only among its like a share (RFC 2782).
std::uint32_t weight_of(const net::ServiceRecord& record, const Weights& all,
                        std::uint32_t average) {
  if (all.sum == 0) return average * unit;
  const std::uint64_t share = std::uint64_t{average} * unit * record.weight * all.count / all.sum;
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(share, 1));
}

ServerPlan server_of(const ServicePlan& service, const net::ServiceRecord& record,
                     const Weights& all) {
  ServerPlan server = service.model;
  server.target.host = record.host;
  server.target.port = record.port;
  server.authority = authority_of(server);
  server.identity = server.target.text() + service.model.identity;
  const std::string& written = service.model.text;  // "srv+https://..."
  constexpr std::size_t mark = 4;
  const std::size_t scheme = written.find("://") + 3;
  const bool plain = written.substr(mark, scheme - mark) == "http://";
  server.text = (plain ? "" : written.substr(mark, scheme - mark)) + server.target.text();
  server.weight = weight_of(record, all, service.model.weight);
  server.priority = record.priority;
  server.vitals = std::make_shared<Vitals>();
  return server;
}

}  // namespace

std::shared_ptr<const Plan> with_services(const std::shared_ptr<const Plan>& plan,
                                          const ServiceRecords& found) {
  if (plan->services.empty()) return plan;
  auto out = std::make_shared<Plan>(*plan);
  out->servers.clear();
  const auto add_services = [&](std::size_t place) {
    for (const ServicePlan& service : plan->services) {
      const auto records = found.find(service.name);
      if (service.place != place || records == found.end()) continue;
      for (const net::ServiceRecord& record : records->second) {
        const Weights all = weights_of(records->second, record.priority);
        out->servers.push_back(server_of(service, record, all));
      }
    }
  };
  for (std::size_t i = 0; i < plan->servers.size(); ++i) {
    add_services(i);
    out->servers.push_back(plan->servers[i]);
    out->servers.back().weight *= unit;
  }
  add_services(plan->servers.size());
  return out;
}

}  // namespace gatehouse::serve::backend
