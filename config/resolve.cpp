#include <algorithm>

#include "config/detail/check.hpp"
#include "config/detail/parse.hpp"
#include "config/detail/words.hpp"
#include "core/base/contains.hpp"

namespace gatehouse::config::detail {
namespace {

std::vector<Listen> default_listen(std::string_view text) { return {parse_listen(text).value()}; }

TlsMode default_mode(const Site& site, const Server& server) {
  const bool no_https = site.https ? site.https->empty() : server.https.empty();
  if (no_https) return TlsMode::off;
  const bool local =
      !site.hosts.empty() && std::all_of(site.hosts.begin(), site.hosts.end(), is_local_site_host);
  return local ? TlsMode::internal : TlsMode::acme;
}

}  // namespace

std::string default_data_dir(const Surroundings& around) {
  const std::string system_wide = "/var/lib/gatehouse";
  if (around.root) return system_wide;
  const auto absolute = [&](const char* name) -> std::string {
    const auto value = around.environment(name);
    return value && value->starts_with('/') ? *value : "";
  };
  if (const std::string data = absolute("XDG_DATA_HOME"); !data.empty()) return data + "/gatehouse";
  if (const std::string home = absolute("HOME"); !home.empty()) {
    return home + "/.local/share/gatehouse";
  }
  return system_wide;
}

void resolve(Config& config, const Book& book, const Surroundings& around) {
  Server& server = config.server;
  if (!book.has("server.http")) server.http = default_listen(":80");
  if (!book.has("server.https")) server.https = default_listen(":443");
  if (server.data_dir.empty()) server.data_dir = default_data_dir(around);
  const auto& spoken = server.protocols;
  const bool h2 = contains(spoken, "h2");
  for (std::size_t i = 0; i < config.sites.size(); ++i) {
    Site& site = config.sites[i];
    const Node* tls = below(book.site(i), "tls");
    if (!below(tls, "mode")) site.tls.mode = default_mode(site, server);
    if (!h2 && !below(tls, "alpn")) site.tls.alpn = {"http/1.1"};
  }
}

}  // namespace gatehouse::config::detail
