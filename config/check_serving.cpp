// Rules for backends and routes.
#include "config/detail/check.hpp"
#include "core/base/pattern.hpp"

namespace gatehouse::config::detail {
namespace {

/// Routes and what they say, with the paths to tell about.
struct RoutePlace {
  std::string route;  // "site[0].route[1]"
  std::string site;

  /// Where a key of this route was written: in the route, else in its site.
  std::string key(const Book& book, const std::string& name) const {
    const std::string own = route + "." + name;
    return book.has(own) ? own : site + "." + name;
  }
};

void check_actions(const Route& route, const RoutePlace& place, Book& book) {
  Strings given;
  if (route.redirect) given.emplace_back("redirect");
  if (route.respond) given.emplace_back("respond");
  if (route.files) given.emplace_back("files");
  if (!route.backend.empty()) given.emplace_back("backend");
  if (given.size() > 1) {
    book.fail(book.place(place.key(book, given[1])),
              "'" + given[1] + "' and '" + given[0] + "' cannot both answer one route: keep one");
  }
  if (!given.empty()) return;
  for (const char* name : {"redirect", "respond", "files", "backend"}) {
    const std::string path = place.key(book, name);
    const auto written = book.present().find(path);
    // Written and not empty: what is wrong with it was told already.
    if (written != book.present().end() && !written->second.values().empty()) return;
  }
  book.fail(route.at,
            "nothing answers here: write one of 'backend', 'redirect', 'respond', 'files'");
}

void check_handlers(const Route& route, const RoutePlace& place, Book& book) {
  const auto need = [&](bool missing, const std::string& table, const std::string& key) {
    const std::string path = place.key(book, table);
    if (missing && !book.has(path + "." + key)) {
      book.fail(book.place(path), "'" + table + "' needs '" + key + "'");
    }
  };
  if (route.redirect) need(route.redirect->to.empty(), "redirect", "to");
  if (route.rate_limit) need(route.rate_limit->requests == 0, "rate_limit", "requests");
  if (route.basic_auth) need(route.basic_auth->users.empty(), "basic_auth", "users");
  if (route.forward_auth) need(route.forward_auth->url.empty(), "forward_auth", "url");
  if (route.rewrite) need(route.rewrite->match.empty(), "rewrite", "match");
  if (route.files) need(route.files->root.empty(), "files", "root");
  const std::string respond = place.key(book, "respond");
  if (route.respond && route.respond->echo && !route.respond->body.empty()) {
    book.fail(book.place(respond + ".body"), "'echo' writes the body itself: leave 'body' out");
  }
}

void check_hash_key(const Backend& backend, const std::string& path, Book& book) {
  const bool wanted = backend.policy == "header_hash" || backend.policy == "cookie_hash";
  if (wanted && backend.hash_key.empty()) {
    const char* what = backend.policy == "header_hash" ? "header field" : "cookie";
    book.fail(book.place(path + ".policy"),
              "'" + backend.policy + "' needs 'hash_key': the name of the " + what + " to go by");
  }
  if (!wanted && !backend.hash_key.empty()) {
    book.fail(book.place(path + ".hash_key"),
              "'hash_key' is for the policies header_hash and cookie_hash");
  }
}

/// `$N` of a rewrite must be a group that its expression has.
void check_rewrite(const Route& route, const RoutePlace& place, Book& book) {
  if (!route.rewrite) return;
  const auto match = Pattern::compile(route.rewrite->match);
  if (!match) return;  // told already
  const std::string& to = route.rewrite->to;
  for (std::size_t at = to.find('$'); at != std::string::npos; at = to.find('$', at + 1)) {
    const char digit = at + 1 < to.size() ? to[at + 1] : ' ';
    if (digit < '0' || digit > '9' || digit - '0' <= match->groups()) continue;
    book.fail(book.place(place.key(book, "rewrite") + ".to"),
              "'to' names $" + std::string(1, digit) + ", and 'match' has " +
                  std::to_string(match->groups()) + (match->groups() == 1 ? " group" : " groups"));
    return;
  }
}

void check_error_pages(const Pairs& errors, const RoutePlace& place, Book& book,
                       const Surroundings& around) {
  for (const auto& [status, file] : errors) {
    if (file.empty()) continue;
    const std::string path = place.key(book, "errors") + "." + status;
    const auto content = around.read_file(file);
    if (!content) {
      book.fail(book.place(path), "'" + status + "': cannot read '" + file + "'");
    } else if (content->size() > most_error_page_bytes) {
      book.fail(book.place(path), "'" + status + "': '" + file + "' has more than 1 MiB");
    }
  }
}

}  // namespace

void check_backends(const Config& config, Book& book, const Surroundings& around) {
  for (const Backend& backend : config.backends) {
    const std::string path = "backend." + backend.name;
    if (!book.has(path)) continue;  // servers written in place
    if (!book.has(path + ".servers")) {
      book.fail(book.place(path), "[backend." + backend.name + "] needs 'servers'");
    }
    want_readable(backend.tls.roots, path + ".tls.roots", book, around);
    want_readable(backend.tls.cert, path + ".tls.cert", book, around);
    want_readable(backend.tls.key, path + ".tls.key", book, around);
    check_hash_key(backend, path, book);
    if (backend.tls.cert.empty() != backend.tls.key.empty()) {
      book.fail(book.place(path + ".tls"), "'cert' and 'key' go together");
    }
  }
}

void check_routes(const Config& config, Book& book, const Surroundings& around) {
  for (std::size_t i = 0; i < config.sites.size(); ++i) {
    if (config.sites[i].tls.mode == TlsMode::passthrough) continue;  // rules of its own
    const SiteTls& tls = config.sites[i].tls;
    if (!tls.hsts.empty() && tls.mode == TlsMode::off) {
      book.fail(book.place(site_path(i) + ".tls.hsts"),
                "'hsts' is told over TLS only, and this site has none");
    }
    for (std::size_t n = 0; n < config.sites[i].routes.size(); ++n) {
      const RoutePlace place{site_path(i) + ".route[" + std::to_string(n) + "]", site_path(i)};
      check_actions(config.sites[i].routes[n], place, book);
      check_handlers(config.sites[i].routes[n], place, book);
      check_rewrite(config.sites[i].routes[n], place, book);
      check_error_pages(config.sites[i].routes[n].errors, place, book, around);
    }
    const auto& routes = config.sites[i].routes;
    const auto takes_over = [&](const Route& route) {
      return route.errors == config.sites[i].errors;
    };
    if (std::any_of(routes.begin(), routes.end(), takes_over)) continue;  // told already
    check_error_pages(config.sites[i].errors, {site_path(i), site_path(i)}, book, around);
  }
}

}  // namespace gatehouse::config::detail
