#include "proxy/control/admin_rules.hpp"

#include "core/base/bytes.hpp"
#include "core/base/url.hpp"

namespace gatehouse::control {
namespace {

bool is_our_host(const AdminDoor& door, std::string_view host, std::uint16_t port) {
  const std::uint16_t named = port == 0 ? 80 : port;
  return named == door.port && (host == door.host || host == "localhost");
}

/// Looks at every octet, whatever the first difference is.
bool same_secret(std::string_view a, std::string_view b) {
  if (a.size() != b.size() || a.empty()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
  }
  return difference == 0;
}

bool bears(const std::optional<std::string_view>& authorization, std::string_view token) {
  constexpr std::string_view scheme = "Bearer ";
  return authorization && authorization->size() > scheme.size() &&
         equal_ignoring_case(authorization->substr(0, scheme.size()), scheme) &&
         same_secret(authorization->substr(scheme.size()), token);
}

bool is_our_origin(const AdminDoor& door, std::string_view origin) {
  const auto url = Url::parse(std::string(origin) + "/");
  return url && url->scheme == "http" && is_our_host(door, url->host, url->port);
}

}  // namespace

std::optional<AdminRefusal> refuse(const AdminDoor& door, const AdminRequest& request) {
  if (door.unix_socket) return std::nullopt;
  if (!is_our_host(door, request.host, request.port)) {
    return AdminRefusal{403, "Host is neither the admin address nor localhost"};
  }
  if (request.origin && !is_our_origin(door, *request.origin)) {
    return AdminRefusal{403, "cross-origin requests are refused"};
  }
  if (request.fetch_site && *request.fetch_site != "same-origin" && *request.fetch_site != "none") {
    return AdminRefusal{403, "cross-origin requests are refused"};
  }
  const bool changes = request.method != "GET" && request.method != "HEAD";
  if (changes && !bears(request.authorization, door.token)) {
    return AdminRefusal{401, "a bearer token is needed; it stands in DATA_DIR/admin.token"};
  }
  return std::nullopt;
}

}  // namespace gatehouse::control
