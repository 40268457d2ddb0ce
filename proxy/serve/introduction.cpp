#include "proxy/serve/introduction.hpp"

#include <sys/socket.h>

#include "core/net/listen_socket.hpp"
#include "core/net/proxy_header.hpp"

namespace gatehouse::serve {

asio::ip::address local_address(const ConnectionFacts& facts) {
  if (facts.told_local) return *facts.told_local;
  const net::Stream* stream = facts.place ? facts.place->stream() : nullptr;
  const int descriptor = stream ? stream->descriptor() : -1;
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return net::address_of(&address).first;
}

std::string introduction(const backend::Plan& plan, const RequestFacts& facts) {
  if (plan.proxy_protocol == 0) return {};
  net::ProxyHeader header;
  header.source = facts.client_ip;
  // Proxies in front of us tell their client's address, not its port.
  header.source_port = facts.client_ip == facts.peer ? facts.peer_port : std::uint16_t{0};
  header.destination = local_address(facts);
  header.destination_port = facts.listener_port;
  return net::write_proxy_header(plan.proxy_protocol, header);
}

}  // namespace gatehouse::serve
