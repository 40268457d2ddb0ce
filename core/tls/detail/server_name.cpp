#include "core/tls/detail/server_name.hpp"

#include "core/base/host.hpp"

namespace gatehouse::tls::detail {

std::string server_name_in(std::string_view extension) {
  const std::string_view list = counted(extension);
  // RFC 6066 §3: a list, though only one entry of type host_name (0) has ever been defined.
  if (list.size() < 3 || list[0] != 0) return {};
  const std::string_view name = counted(list.substr(1));
  if (name.empty() || as_address(name)) return {};
  auto host = normal_host(name);
  if (!host || as_address(*host)) return {};
  return std::move(*host);
}

}  // namespace gatehouse::tls::detail
