#include "core/net/resolver.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <cstring>

#include "core/base/host.hpp"

namespace gatehouse::net {
namespace {

using Addresses = std::vector<asio::ip::address>;

Result<Addresses> ask_system(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (code != 0) {
    const Fault fault = code == EAI_NONAME ? Fault::not_found : Fault::refused;
    return Error(fault, Side::server, "resolve " + host + ": " + ::gai_strerror(code));
  }
  Addresses out;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if (at->ai_family == AF_INET) {
      sockaddr_in v4{};
      std::memcpy(&v4, at->ai_addr, sizeof v4);
      out.emplace_back(asio::ip::address_v4(ntohl(v4.sin_addr.s_addr)));
    } else if (at->ai_family == AF_INET6) {
      sockaddr_in6 v6{};
      std::memcpy(&v6, at->ai_addr, sizeof v6);
      asio::ip::address_v6::bytes_type octets;
      std::memcpy(octets.data(), &v6.sin6_addr, octets.size());
      out.emplace_back(asio::ip::address_v6(octets, v6.sin6_scope_id));
    }
  }
  ::freeaddrinfo(found);
  if (out.empty()) return Error(Fault::not_found, Side::server, "resolve " + host + ": no address");
  return out;
}

}  // namespace

awaitable<Result<Resolver::Found>> Resolver::look_up(std::string host) {
  auto addresses = co_await resolve(std::move(host));
  if (!addresses) co_return addresses.error();
  Found found;
  found.addresses = std::move(*addresses);
  co_return found;
}

awaitable<Result<ServiceAnswer>> Resolver::services(std::string name) {
  co_return Error(Fault::not_found, Side::server, "resolve " + name + ": no resolver of services");
}

awaitable<Result<Addresses>> SystemResolver::resolve(std::string host) {
  if (const auto literal = as_address(host)) co_return Addresses{*literal};
  auto job = [host = std::move(host)] { return ask_system(host); };
  auto answer = co_await helpers_.run(std::move(job));
  co_return answer;
}

}  // namespace gatehouse::net
