#include <algorithm>
#include <unordered_map>

#include "config/detail/check.hpp"
#include "config/detail/parse.hpp"
#include "config/detail/words.hpp"
#include "core/base/host.hpp"

namespace gatehouse::config::detail {
namespace {

void check_hosts(const Config& config, Book& book) {
  struct Mention {
    std::size_t site;
    std::size_t host;
  };
  const auto place = [&book](const Mention& mention) {
    return book.place(site_path(mention.site) + ".hosts[" + std::to_string(mention.host) + "]");
  };
  std::unordered_map<std::string_view, Mention> owners;  // the first of each host
  owners.reserve(config.sites.size());
  for (std::size_t i = 0; i < config.sites.size(); ++i) {
    if (!below(book.site(i), "hosts")) book.fail(config.sites[i].at, "[[site]] needs 'hosts'");
    for (std::size_t n = 0; n < config.sites[i].hosts.size(); ++n) {
      const std::string& host = config.sites[i].hosts[n];
      if (host.empty()) continue;
      const auto [first, fresh] = owners.try_emplace(host, Mention{i, n});
      if (fresh) continue;
      book.fail(place({i, n}),
                "host '" + host + "' is named twice; first at " + where(place(first->second)));
    }
  }
}

void check_server(const Config& config, Book& book, const Surroundings& around) {
  const Server& server = config.server;
  if (!server.user.empty() && around.wrong_user) {
    const std::string why = around.wrong_user(server.user);
    if (!why.empty()) book.fail(book.place("server.user"), "'user' " + why);
  }
  if (std::find(server.protocols.begin(), server.protocols.end(), "h1") == server.protocols.end()) {
    book.fail(book.place("server.protocols"), "'protocols' must hold \"h1\"");
  }
  if (server.proxy_protocol && server.trusted_proxies.empty()) {
    book.fail(book.place("server.proxy_protocol"),
              "'proxy_protocol' needs 'trusted_proxies': without them no connection brings a PROXY "
              "header that is believed");
  }
  const bool postgres = config.storage.kind == "postgres";
  if (postgres && config.storage.url.empty()) {
    book.fail(book.place("storage.kind"), "'kind' postgres needs 'url'");
  }
  if (!postgres && !config.storage.url.empty()) {
    book.fail(book.place("storage.url"), "'url' goes with kind = \"postgres\"");
  }
}

void check_others(const Config& config, Book& book) {
  const bool serves = !config.sites.empty() || !config.certificates.empty();
  if (!serves && !config.docker.enabled) {
    book.warn(book.place(""), "there is no [[site]], so nothing is served");
  }
  for (const Certificate& certificate : config.certificates) {
    if (certificate.hosts.empty()) book.fail(certificate.at, "[[certificate]] needs 'hosts'");
  }
  for (const HookEvent& event : config.hooks) {
    if (event.on.empty()) book.fail(event.at, "a hook needs 'on'");
    if (event.exec.empty() == event.url.empty()) {
      book.fail(event.at, "a hook has either 'exec' or 'url'");
    }
    if (!event.secret.empty() && event.url.empty()) {
      book.fail(event.at, "a hook's 'secret' signs what is sent to its 'url'");
    }
  }
  for (const Claim& claim : config.docker.claims) {
    if (claim.project.empty() || claim.hosts.empty()) {
      book.fail(book.place("docker.claims"), "a claim needs 'project' and 'hosts'");
    }
  }
}

}  // namespace

std::string site_path(std::size_t site) { return "site[" + std::to_string(site) + "]"; }

std::string where(const Position& at) {
  return at.file.text() + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
}

bool is_local_site_host(const std::string& host) {
  if (host == "*") return false;
  return is_local_host(host.starts_with("*.") ? "x" + host.substr(1) : host);
}

void want_readable(const std::string& file, const std::string& table, std::string_view key,
                   Book& book, const Surroundings& around) {
  if (!file.empty() && !around.readable(file)) {
    const std::string last(key.substr(key.rfind('.') + 1));
    book.fail(book.place(extended(table, key)),
              "'" + last + "': cannot read '" + file + "'" + because(file, around));
  }
}

void want_sound(const std::string& file, const std::string& table, std::string_view key,
                const Judge& wrong, Book& book, const Surroundings& around) {
  want_readable(file, table, key, book, around);
  if (file.empty() || !wrong || !around.readable(file)) return;
  const std::string why = wrong(file);
  if (why.empty()) return;
  const std::string last(key.substr(key.rfind('.') + 1));
  book.fail(book.place(extended(table, key)), "'" + last + "': " + why);
}

void check(const Config& config, Book& book, const Surroundings& around) {
  check_hosts(config, book);
  check_server(config, book, around);
  check_listeners(config, book);
  check_backends(config, book, around);
  check_acme(config, book, around);
  check_site_tls(config, book, around);
  check_routes(config, book, around);
  check_passthrough(config, book);
  check_others(config, book);
}

}  // namespace gatehouse::config::detail
