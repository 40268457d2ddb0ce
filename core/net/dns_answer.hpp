#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.hpp"

namespace gatehouse::net {

/// One place where a service is offered (RFC 2782).
struct ServiceRecord {
  std::string host;  // normal_host() form
  std::uint16_t port = 0;
  std::uint16_t priority = 0;  // the lowest are to be used while any of them works
  std::uint16_t weight = 0;    // share among those of the same priority
  bool operator==(const ServiceRecord&) const = default;
};

struct ServiceAnswer {
  std::vector<ServiceRecord> records;  // by priority, at most most_service_records
  std::chrono::seconds ttl{0};         // the shortest of them
};

constexpr std::size_t most_service_records = 128;

/// Reads the SRV records of a DNS message (RFC 1035 §4.1). Whatever else is in it is passed over;
/// what leads out of it or round in circles is Fault::bad_message.
Result<ServiceAnswer> parse_services(std::string_view message);

}  // namespace gatehouse::net
