// Rules for listeners, backends and routes.
#include <array>
#include <map>

#include "config/detail/check.hpp"
#include "config/detail/words.hpp"

namespace gatehouse::config::detail {
namespace {

/// What a listener is for; one address serves one purpose.
struct Use {
  std::string purpose;
  Position at;
};

/// Remembers each address with its purpose; tells when it is wanted for another.
class Addresses {
 public:
  explicit Addresses(Book& book) : book_(book) {}

  void want(const Listen& listen, const std::string& purpose, const Position& at) {
    if (listen.text.empty()) return;
    const bool fresh_each_time = listen.port == 0 && (listen.kind == Listen::Kind::any ||
                                                      listen.kind == Listen::Kind::address);
    if (fresh_each_time) return;
    const std::string identity = std::to_string(static_cast<int>(listen.kind)) + listen.address +
                                 ":" + std::to_string(listen.port) + ":" +
                                 std::to_string(listen.descriptor);
    const auto [first, fresh] = uses_.emplace(identity, Use{purpose, at});
    if (fresh || first->second.purpose == purpose) return;
    book_.fail(at, "address '" + listen.text + "' cannot serve " + purpose + ": it serves " +
                       first->second.purpose + " at " + where(first->second.at));
  }

 private:
  Book& book_;
  std::map<std::string, Use> uses_;
};

void want_all(Addresses& addresses, const std::vector<Listen>& listens, const std::string& purpose,
              const std::string& path, Book& book) {
  for (std::size_t i = 0; i < listens.size(); ++i) {
    const std::string item = path + "[" + std::to_string(i) + "]";
    addresses.want(listens[i], purpose, book.place(item));
    for (std::size_t j = 0; j < i; ++j) {
      if (listens[j] == listens[i] && listens[i].port != 0) {
        book.fail(book.place(item), "address '" + listens[i].text + "' is listed twice");
      }
    }
  }
}

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
    if (written != book.present().end() && !written->second.values.empty()) return;
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

}  // namespace

void check_listeners(const Config& config, Book& book) {
  Addresses addresses(book);
  want_all(addresses, config.server.http, "http", "server.http", book);
  want_all(addresses, config.server.https, "https", "server.https", book);
  for (std::size_t i = 0; i < config.sites.size(); ++i) {
    const Site& site = config.sites[i];
    if (site.http) want_all(addresses, *site.http, "http", site_path(i) + ".http", book);
    if (site.https) want_all(addresses, *site.https, "https", site_path(i) + ".https", book);
    const bool http = !(site.http ? *site.http : config.server.http).empty();
    const bool https = !(site.https ? *site.https : config.server.https).empty();
    if (!http && !https) book.fail(site.at, "this site has no listener: 'http' and 'https' are []");
  }
  if (const auto admin = parse_listen(config.admin.listen)) {
    addresses.want(*admin, "the admin API", book.place("admin.listen"));
  }
  if (const auto metrics = parse_listen(config.admin.metrics)) {
    addresses.want(*metrics, "metrics", book.place("admin.metrics"));
  }
}

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
    if (backend.tls.cert.empty() != backend.tls.key.empty()) {
      book.fail(book.place(path + ".tls"), "'cert' and 'key' go together");
    }
  }
}

void check_routes(const Config& config, Book& book) {
  for (std::size_t i = 0; i < config.sites.size(); ++i) {
    for (std::size_t n = 0; n < config.sites[i].routes.size(); ++n) {
      const RoutePlace place{site_path(i) + ".route[" + std::to_string(n) + "]", site_path(i)};
      check_actions(config.sites[i].routes[n], place, book);
      check_handlers(config.sites[i].routes[n], place, book);
    }
  }
}

}  // namespace gatehouse::config::detail
