#include "proxy/serve/handlers/gate.hpp"

#include <algorithm>
#include <array>

#include "core/base/cidr.hpp"
#include "proxy/serve/worker.hpp"

namespace gatehouse::serve {
namespace {

constexpr std::string_view limit_header = "header:";

bool within_any(const std::vector<Cidr>& blocks, const asio::ip::address& address) {
  const auto holds = [&](const Cidr& block) { return block.contains(address); };
  return std::any_of(blocks.begin(), blocks.end(), holds);
}

/// An IPv4 address, or the /64 of an IPv6 one: a client may change the rest at will.
std::string_view address_key(const asio::ip::address& client, std::array<char, 16>& room) {
  const asio::ip::address address = unmapped(client);
  if (address.is_v4()) {
    const auto octets = address.to_v4().to_bytes();
    std::copy(octets.begin(), octets.end(), room.begin());
    return {room.data(), octets.size()};
  }
  const auto octets = address.to_v6().to_bytes();
  std::copy_n(octets.begin(), 8, room.begin());
  return {room.data(), 8};
}

}  // namespace

Refusal check_address(Visit& visit) {
  const Route& route = visit.route;
  const asio::ip::address& client = visit.facts.client_ip;
  const bool allowed = route.allow.empty() || within_any(route.allow, client);
  if (allowed && !within_any(route.deny, client)) return {};
  return {.status = 403, .reason = "denied"};
}

Refusal check_rate(Visit& visit) {
  const config::RateLimit& limit = *visit.settings().rate_limit;
  std::array<char, 16> room;
  std::string_view key = address_key(visit.facts.client_ip, room);
  if (limit.key == "host") key = visit.request().host;
  if (limit.key.starts_with(limit_header)) {
    // Who leaves the field out is counted by address, or leaving it out would be the way around.
    const auto name = std::string_view(limit.key).substr(limit_header.size());
    key = visit.request().fields.find(name).value_or(key);
  }
  const Pace pace{std::chrono::nanoseconds(limit.per) / limit.requests,
                  limit.burst == 0 ? limit.requests : limit.burst};
  const auto wait = visit.route.state->rates->ask(key, visit.worker.clock.steady(), pace);
  if (wait.count() == 0) return {};
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
  return {.status = 429,
          .reason = "rate_limited",
          .retry_after_seconds = static_cast<unsigned>(seconds)};
}

Refusal check_in_flight(Visit& visit) {
  const bool taken = visit.in_flight.take(*visit.route.state, visit.settings().max_in_flight);
  if (taken) return {};
  return {.status = 503, .reason = "overloaded", .retry_after_seconds = 1};
}

Refusal check_body(Visit& visit) {
  const std::uint64_t most = visit.settings().max_body;
  visit.exchange.limit_body(most);
  if (!longer_than(visit.request().length, most)) return {};
  return {.status = 413, .reason = "too_large"};
}

}  // namespace gatehouse::serve
