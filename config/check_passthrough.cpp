// Rules for sites whose TLS goes to their servers as it is: nothing of a request can be seen there,
// so nothing may ask for that.
#include <algorithm>

#include "config/detail/check.hpp"
#include "core/base/contains.hpp"

namespace gatehouse::config::detail {
namespace {

/// The keys of a route that need a request, and whether they ask for something.
std::vector<std::pair<const char*, bool>> wishes(const Route& route) {
  const auto edits = [](const HeaderEdits& each) {
    return !each.set.empty() || !each.add.empty() || !each.remove.empty();
  };
  return {{"path", !route.path.empty()},
          {"method", !route.method.empty()},
          {"header", !route.header.empty()},
          {"query", !route.query.empty()},
          {"client_ip", !route.client_ip.empty()},
          {"allow", !route.allow.empty()},
          {"deny", !route.deny.empty()},
          {"rate_limit", route.rate_limit.has_value()},
          {"max_in_flight", route.max_in_flight != 0},
          {"max_body", route.max_body != 0},
          {"basic_auth", route.basic_auth.has_value()},
          {"forward_auth", route.forward_auth.has_value()},
          {"redirect", route.redirect.has_value()},
          {"respond", route.respond.has_value()},
          {"strip_prefix", !route.strip_prefix.empty()},
          {"add_prefix", !route.add_prefix.empty()},
          {"rewrite", route.rewrite.has_value()},
          {"request_headers", edits(route.request_headers)},
          {"response_headers", edits(route.response_headers)},
          {"compress", !route.compress.empty()},
          {"buffer_request", route.buffer_request != 0},
          {"files", route.files.has_value()},
          {"errors", !route.errors.empty()}};
}

class PassthroughCheck {
 public:
  PassthroughCheck(const Config& config, std::size_t index, Book& book)
      : config_(config), site_(config.sites[index]), path_(site_path(index)), book_(book) {}

  void all() {
    check_route();
    check_tls();
    const auto backend = std::find_if(
        config_.backends.begin(), config_.backends.end(),
        [&](const Backend& each) { return each.name == site_.routes.front().backend; });
    if (backend != config_.backends.end()) check_backend(*backend);
  }

 private:
  void tell(const std::string& path, std::string message) {
    book_.fail(book_.place(path), std::move(message));
  }
  /// Where a key of the only route stands: in [[site.route]], else in the site.
  std::string key(const std::string& name) const {
    const std::string own = path_ + ".route[0]." + name;
    return book_.has(own) ? own : path_ + "." + name;
  }

  void check_route() {
    if (site_.routes.size() > 1) {
      book_.fail(site_.routes[1].at,
                 "mode = \"passthrough\" sees no request that could choose a route: write "
                 "'backend' in [[site]] and no [[site.route]]");
    }
    const Route& route = site_.routes.front();
    for (const auto& [name, asks] : wishes(route)) {
      if (!asks) continue;
      tell(key(name), "'" + std::string(name) +
                          "' needs the request, which mode = \"passthrough\" never sees");
    }
    // Written and not empty: what is wrong with it was told already.
    const Node* written = route.backend.empty() ? book_.written(key("backend")) : nullptr;
    const bool told = written && !written->values().empty();
    if (route.backend.empty() && !told) {
      tell(path_ + ".tls.mode", "'mode' passthrough needs 'backend': the servers that end TLS");
    }
  }

  void check_tls() {
    const std::string tls = path_ + ".tls.";
    const auto& spoken = config_.server.protocols;
    const bool h2 = contains(spoken, "h2");
    const Strings usual = h2 ? Strings{"h2", "http/1.1"} : Strings{"http/1.1"};
    for (const auto& [name, asks] :
         {std::pair<const char*, bool>{"min_version", site_.tls.min_version != "1.2"},
          {"ciphers", site_.tls.ciphers != "default"},
          {"alpn", site_.tls.alpn != usual},
          {"client_auth", site_.tls.client_auth.mode != "off"},
          {"hsts", !site_.tls.hsts.empty()}}) {
      if (!asks) continue;
      tell(tls + name,
           "'" + std::string(name) + "' is the server's own affair with mode = \"passthrough\"");
    }
    if (site_.redirect_http) return;
    tell(path_ + ".redirect_http",
         "'redirect_http' = false leaves nothing to answer with: mode = \"passthrough\" has no "
         "plain HTTP of its own");
  }

  void check_backend(const Backend& backend) {
    const std::string named = "backend." + backend.name;
    for (std::size_t i = 0; i < backend.servers.size(); ++i) {
      const BackendServer& server = backend.servers[i];
      using Scheme = BackendServer::Scheme;
      if (server.scheme == Scheme::http || server.scheme == Scheme::unix_path ||
          server.scheme == Scheme::srv_http) {
        continue;
      }
      tell(key("backend"), "server '" + server.text +
                               "' cannot be passed through to: the client's own TLS goes there, "
                               "so write HOST:PORT");
    }
    for (const auto& [name, asks] :
         {std::pair<const char*, bool>{"health.path", !backend.health.path.empty()},
          {"sticky", !backend.sticky_cookie.empty()},
          {"policy", backend.policy == "path_hash" || backend.policy == "header_hash" ||
                         backend.policy == "cookie_hash"}}) {
      if (!asks || !book_.has(named)) continue;
      tell(named + "." + name, "'" + std::string(name) + "' speaks HTTP, and the site '" +
                                   site_.hosts.front() +
                                   "' with mode = \"passthrough\" uses this backend");
    }
  }

  const Config& config_;
  const Site& site_;
  std::string path_;
  Book& book_;
};

}  // namespace

void check_passthrough(const Config& config, Book& book) {
  for (std::size_t i = 0; i < config.sites.size(); ++i) {
    if (config.sites[i].tls.mode == TlsMode::passthrough) PassthroughCheck(config, i, book).all();
  }
}

}  // namespace gatehouse::config::detail
