#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/net/dns_answer.hpp"
#include "proxy/serve/backend/plan.hpp"

namespace gatehouse::serve::backend {

/// What DNS said of services, by name. No two records of one lead to the same host and port.
using ServiceRecords = std::map<std::string, std::vector<net::ServiceRecord>, std::less<>>;

/// The plan with the servers that its services lead to: each is a server like any other, with the
/// weight and priority that its record gives it. The plan itself where it names no service.
std::shared_ptr<const Plan> with_services(const std::shared_ptr<const Plan>& plan,
                                          const ServiceRecords& found);

}  // namespace gatehouse::serve::backend
