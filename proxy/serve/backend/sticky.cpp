#include "proxy/serve/backend/sticky.hpp"

#include "core/base/bytes.hpp"
#include "core/http/header_rules.hpp"
#include "core/tls/digest.hpp"

namespace gatehouse::serve::backend {

std::string sticky_token(std::string_view key, std::string_view backend, std::string_view server) {
  constexpr std::size_t token_octets = 16;
  std::string about(backend);
  about.append("\n").append(server);
  return base64url(tls::hmac_sha256(key, about).substr(0, token_octets));
}

std::string sticky_cookie(std::string_view name, std::string_view token, bool secure) {
  std::string out(name);
  out.append("=").append(token).append("; Path=/; HttpOnly; SameSite=Lax");
  if (secure) out.append("; Secure");
  return out;
}

std::optional<std::string_view> cookie_value(const http::Fields& fields, std::string_view name) {
  for (const http::Field& line : fields) {
    if (!equal_ignoring_case(line.name, "Cookie")) continue;
    std::string_view rest = line.value;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(';'), rest.size());
      const std::string_view pair = http::trim(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      const std::size_t equals = pair.find('=');
      if (equals != std::string_view::npos && pair.substr(0, equals) == name) {
        return pair.substr(equals + 1);
      }
    }
  }
  return {};
}

}  // namespace gatehouse::serve::backend
