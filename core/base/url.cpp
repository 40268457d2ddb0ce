#include "core/base/url.hpp"

#include <charconv>

#include "core/base/bytes.hpp"
#include "core/base/host.hpp"

namespace gatehouse {
namespace {

Error bad_url(std::string_view text, std::string_view why) {
  return Error(Fault::bad_message, Side::self,
               "'" + std::string(text.substr(0, 128)) + "' " + std::string(why));
}

}  // namespace

Result<HostPort> HostPort::parse(std::string_view text, std::uint16_t fallback) {
  std::string_view host = text;
  std::string_view port;
  const std::size_t bracket = text.rfind(']');
  const std::size_t colon = text.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (host.find(':') != std::string_view::npos && host.front() != '[') {
      return bad_url(text, "has an IPv6 address without brackets");
    }
  }
  auto normal = normal_host(host);
  if (!normal) return normal.error();
  unsigned value = fallback;
  if (!port.empty()) {
    const auto [end, failed] = std::from_chars(port.data(), port.data() + port.size(), value);
    if (failed != std::errc() || end != port.data() + port.size() || value < 1 || value > 65535) {
      return bad_url(text, "has a port that is not 1 to 65535");
    }
  }
  HostPort out;
  out.host = std::move(*normal);
  out.port = static_cast<std::uint16_t>(value);
  return out;
}

Result<Url> Url::parse(std::string_view text) {
  Url url;
  const std::size_t mark = text.find("://");
  if (mark == std::string_view::npos) return bad_url(text, "is no absolute URL");
  url.scheme = to_lower(text.substr(0, mark));
  if (url.scheme != "http" && url.scheme != "https")
    return bad_url(text, "is neither http nor https");
  std::string_view rest = text.substr(mark + 3);
  for (const char c : rest) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7F) return bad_url(text, "has an octet that no URL may have");
  }
  rest = rest.substr(0, rest.find('#'));
  const std::size_t path = rest.find_first_of("/?");
  const std::string_view authority = rest.substr(0, path);
  if (authority.find('@') != std::string_view::npos)
    return bad_url(text, "carries user information");
  auto at = HostPort::parse(authority, url.scheme == "https" ? 443 : 80);
  if (!at) return at.error();
  url.host = std::move(at->host);
  url.port = at->port;
  url.target = path == std::string_view::npos ? "/" : std::string(rest.substr(path));
  if (url.target.front() == '?') url.target.insert(0, "/");
  return url;
}

std::string Url::authority() const {
  std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (secure() ? 443 : 80)) out += ":" + std::to_string(port);
  return out;
}

}  // namespace gatehouse
