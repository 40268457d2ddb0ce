// SRV records of a DNS server's answer: whatever comes in, what is taken is what a backend may be
// made of, and in order.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/base/host.hpp"
#include "core/net/dns_answer.hpp"

using namespace gatehouse;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  const auto answer = net::parse_services(message);
  if (!answer) return 0;
  require(answer->records.size() <= net::most_service_records);
  std::uint16_t priority = 0;
  for (const net::ServiceRecord& record : answer->records) {
    require(record.port != 0 && record.priority >= priority);
    require(!record.host.empty() && record.host.size() <= 255);
    const auto host = normal_host(record.host);
    require(host && *host == record.host);
    priority = record.priority;
  }
  return 0;
}
