#include "proxy/control/admin_address.hpp"

#include "core/base/url.hpp"

namespace gatehouse::control {

Result<AdminAddress> AdminAddress::parse(const std::string& text, const std::string& data_dir) {
  AdminAddress address;
  constexpr std::string_view unix_scheme = "unix:";
  if (text.empty()) {
    address.path = default_path(data_dir);
    return address;
  }
  if (text == "off") {
    address.kind = Kind::off;
    return address;
  }
  if (text.starts_with(unix_scheme) && text.size() > unix_scheme.size()) {
    address.path = text.substr(unix_scheme.size());
    return address;
  }
  auto parsed = HostPort::parse(text, 0);
  if (!parsed || parsed->port == 0) {
    return Error(Fault::bad_message, Side::self,
                 "'" + text + "' is no admin address: unix:PATH or HOST:PORT");
  }
  address.kind = Kind::tcp;
  address.host = std::move(parsed->host);
  address.port = parsed->port;
  return address;
}

std::string AdminAddress::text() const {
  switch (kind) {
    case Kind::off:
      return "off";
    case Kind::unix_socket:
      return "unix:" + path;
    case Kind::tcp:
      break;
  }
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace gatehouse::control
