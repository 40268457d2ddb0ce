// Rules for backends and routes.
#include <limits>

#include "config/detail/check.hpp"
#include "config/detail/parse.hpp"
#include "core/base/pattern.hpp"

namespace gatehouse::config::detail {
namespace {

/// A route of the text: where a key of it was written, in [[site.route]] or else in its site.
class RoutePlace {
 public:
  RoutePlace(const Book& book, std::size_t site, std::size_t route)
      : number_(site), route_number_(route), site_(book.site(site)) {
    const Node* routes = below(site_, "route");
    if (routes && route < routes->items.size()) route_ = &routes->items[route];
  }

  /// What was written; null: nothing was.
  const Node* value(std::string_view name) const {
    const Node* own = below(route_, name);
    return own ? own : below(site_, name);
  }
  std::string key(std::string_view name) const {
    const std::string site = site_path(number_);
    const std::string route = ".route[" + std::to_string(route_number_) + "]";
    return extended(below(route_, name) ? site + route : site, name);
  }

 private:
  std::size_t number_;
  std::size_t route_number_;
  const Node* site_;
  const Node* route_ = nullptr;
};

constexpr std::size_t no_route = std::numeric_limits<std::size_t>::max();

void check_actions(const Route& route, const RoutePlace& place, Book& book) {
  Strings given;
  if (route.redirect) given.emplace_back("redirect");
  if (route.respond) given.emplace_back("respond");
  if (route.files) given.emplace_back("files");
  if (!route.backend.empty()) given.emplace_back("backend");
  if (given.size() > 1) {
    book.fail(book.place(place.key(given[1])),
              "'" + given[1] + "' and '" + given[0] + "' cannot both answer one route: keep one");
  }
  if (!given.empty()) return;
  for (const char* name : {"redirect", "respond", "files", "backend"}) {
    const Node* written = place.value(name);
    // Written and not empty: what is wrong with it was told already.
    if (written && !written->values().empty()) return;
  }
  book.fail(route.at,
            "nothing answers here: write one of 'backend', 'redirect', 'respond', 'files'");
}

void check_handlers(const Route& route, const RoutePlace& place, Book& book,
                    const Surroundings& around) {
  const auto need = [&](bool missing, const std::string& table, const std::string& key) {
    if (missing && !below(place.value(table), key)) {
      book.fail(book.place(place.key(table)), "'" + table + "' needs '" + key + "'");
    }
  };
  if (route.redirect) need(route.redirect->to.empty(), "redirect", "to");
  if (route.rate_limit) need(route.rate_limit->requests == 0, "rate_limit", "requests");
  if (route.basic_auth) need(route.basic_auth->users.empty(), "basic_auth", "users");
  if (route.forward_auth) need(route.forward_auth->url.empty(), "forward_auth", "url");
  if (route.rewrite) need(route.rewrite->match.empty(), "rewrite", "match");
  if (route.files) need(route.files->root.empty(), "files", "root");
  if (route.files && !route.files->root.empty() && around.wrong_folder) {
    const std::string why = around.wrong_folder(route.files->root);
    // It may come later: requests get 404 until then.
    if (!why.empty()) {
      book.warn(book.place(place.key("files") + ".root"),
                "'root': '" + route.files->root + "': " + why);
    }
  }
  if (route.respond && route.respond->echo && !route.respond->body.empty()) {
    book.fail(book.place(place.key("respond") + ".body"),
              "'echo' writes the body itself: leave 'body' out");
  }
}

/// The certificate that servers are shown.
void check_identity(const BackendTls& tls, const std::string& path, Book& book,
                    const Surroundings& around) {
  if (tls.cert.empty() || tls.key.empty() || !around.wrong_pair) return;
  if (!around.readable(tls.cert) || !around.readable(tls.key)) return;
  const WrongPair wrong = around.wrong_pair(tls.cert, tls.key);
  if (wrong.why.empty()) return;
  book.fail(book.place(path + ".tls." + wrong.key), "'" + wrong.key + "': " + wrong.why);
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
    book.fail(book.place(place.key("rewrite") + ".to"),
              "'to' names $" + std::string(1, digit) + ", and 'match' has " +
                  std::to_string(match->groups()) + (match->groups() == 1 ? " group" : " groups"));
    return;
  }
}

void check_error_pages(const Pairs& errors, const RoutePlace& place, Book& book,
                       const Surroundings& around) {
  for (const auto& [status, file] : errors) {
    if (file.empty()) continue;
    const auto content = around.read_file(file);
    if (content && content->size() <= most_error_page_bytes) continue;
    const Node* written = below(place.value("errors"), status);
    book.fail(written ? written->at : book.place(place.key("errors")),
              "'" + status + "': " + (content ? "" : "cannot read ") + "'" + file + "'" +
                  (content ? " has more than 1 MiB" : because(file, around)));
  }
}

}  // namespace

void check_backends(const Config& config, Book& book, const Surroundings& around) {
  const Node* written = book.written("backend");
  if (!written || written->kind != Node::Kind::table) return;
  auto next = config.backends.begin();  // those with a table come first, and in its order
  for (const Member& named : written->members) {
    if (named.value.kind != Node::Kind::table) continue;
    const Backend& backend = *next++;
    const std::string path = "backend." + backend.name;
    if (!named.value.find("servers")) {
      book.fail(named.at, "[backend." + backend.name + "] needs 'servers'");
    }
    want_sound(backend.tls.roots, path, "tls.roots", around.wrong_roots, book, around);
    want_readable(backend.tls.cert, path, "tls.cert", book, around);
    want_readable(backend.tls.key, path, "tls.key", book, around);
    check_identity(backend.tls, path, book, around);
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
      const RoutePlace place(book, i, n);
      check_actions(config.sites[i].routes[n], place, book);
      check_handlers(config.sites[i].routes[n], place, book, around);
      check_rewrite(config.sites[i].routes[n], place, book);
      check_error_pages(config.sites[i].routes[n].errors, place, book, around);
    }
    const auto& routes = config.sites[i].routes;
    const auto takes_over = [&](const Route& route) {
      return route.errors == config.sites[i].errors;
    };
    if (std::any_of(routes.begin(), routes.end(), takes_over)) continue;  // told already
    check_error_pages(config.sites[i].errors, RoutePlace(book, i, no_route), book, around);
  }
}

}  // namespace gatehouse::config::detail
