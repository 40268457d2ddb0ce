// Rules for the addresses we listen on: what the system would refuse at start is refused here, with
// its place.
#include <algorithm>
#include <filesystem>

#include "config/detail/check.hpp"
#include "config/detail/words.hpp"

namespace gatehouse::config::detail {
namespace {

bool is_port(const Listen& listen) {
  return listen.kind == Listen::Kind::any || listen.kind == Listen::Kind::address;
}

/// Whether two addresses are one, however they are written.
bool same(const Listen& a, const Listen& b) {
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Listen::Kind::any:
      return a.port == b.port;
    case Listen::Kind::address:
      return a.port == b.port && a.address == b.address;
    case Listen::Kind::unix_path:
      return std::filesystem::path(a.address).lexically_normal() ==
             std::filesystem::path(b.address).lexically_normal();
    case Listen::Kind::descriptor:
      return a.descriptor == b.descriptor;
  }
  return false;
}

/// Whether a socket on `wide` takes what arrives at `narrow`: then the second cannot be bound.
bool covers(const Listen& wide, const Listen& narrow) {
  if (!is_port(wide) || !is_port(narrow) || wide.port != narrow.port) return false;
  if (wide.kind == Listen::Kind::any) return narrow.kind == Listen::Kind::address;
  if (narrow.kind == Listen::Kind::any || wide.address == narrow.address) return false;
  const bool narrow_v6 = narrow.address.find(':') != std::string::npos;
  return wide.address == (narrow_v6 ? "::" : "0.0.0.0");
}

/// What a listener is for; one address serves one purpose.
struct Use {
  Listen listen;
  std::string purpose;
  std::optional<Position> at;  // empty: by default
};

std::string place(const Use& use) { return use.at ? "at " + where(*use.at) : "by default"; }

/// Remembers each address with its purpose; tells when it cannot be had beside another.
class Addresses {
 public:
  explicit Addresses(Book& book) : book_(book) {}

  void want(Use use) {
    if (use.listen.text.empty()) return;  // no address; that is told already
    for (const Use& other : uses_) {
      // What was written is where the mistake can be mended.
      const bool swap = !use.at && other.at;
      if (!compare(swap ? other : use, swap ? use : other)) return;
    }
    uses_.push_back(std::move(use));
  }

 private:
  /// False: `use` needs no further look.
  bool compare(const Use& use, const Use& other) {
    const bool alike = use.listen.text == other.listen.text;
    const bool road = use.purpose.starts_with("http") && other.purpose.starts_with("http");
    // The kernel finds a port for each; the road knows its listeners by their text.
    if (is_port(use.listen) && use.listen.port == 0 && !(alike && road)) return true;
    const std::string address = "address '" + use.listen.text + "' ";
    if (alike || same(use.listen, other.listen)) {
      if (use.purpose != other.purpose) {
        tell(use, address + "cannot serve " + use.purpose + ": it serves " + other.purpose + " " +
                      place(other));
      } else if (!alike) {
        tell(use, address + "is '" + other.listen.text + "' " + place(other) +
                      ": write both the same way");
      }
      return false;
    }
    const bool wide = covers(use.listen, other.listen);
    if (!wide && !covers(other.listen, use.listen)) return true;
    tell(use, address + "cannot be had beside '" + other.listen.text + "' " + place(other) +
                  ", which " + (wide ? "it covers" : "covers it") +
                  ": keep one of them or change a port");
    return false;
  }

  void tell(const Use& use, std::string message) {
    book_.fail(use.at.value_or(book_.place("")), std::move(message));
  }

  Book& book_;
  std::vector<Use> uses_;
};

/// The lists that sites share or bring.
class Lists {
 public:
  Lists(Addresses& addresses, Book& book) : addresses_(addresses), book_(book) {}

  void want(const std::vector<Listen>& listens, const std::string& purpose,
            const std::string& path) {
    for (std::size_t i = 0; i < listens.size(); ++i) {
      std::optional<Position> at;
      if (book_.has(path)) at = book_.place(path + "[" + std::to_string(i) + "]");
      addresses_.want({listens[i], purpose, at});
      const auto before = listens.begin() + static_cast<std::ptrdiff_t>(i);
      if (std::find(listens.begin(), before, listens[i]) != before && !listens[i].text.empty()) {
        book_.fail(*at, "address '" + listens[i].text + "' is listed twice");
      }
    }
  }

 private:
  Addresses& addresses_;
  Book& book_;
};

/// Whether [server]'s own lists are opened: a list that every site replaces is not.
bool opens_http(const Config& config) {
  const auto needs = [](const Site& site) {
    const bool challenges = site.tls.mode == TlsMode::acme || site.tls.mode == TlsMode::on_demand;
    return !site.http || challenges;
  };
  return config.sites.empty() || std::any_of(config.sites.begin(), config.sites.end(), needs);
}

bool opens_https(const Config& config) {
  const auto needs = [](const Site& site) { return !site.https && site.tls.mode != TlsMode::off; };
  return config.sites.empty() || std::any_of(config.sites.begin(), config.sites.end(), needs);
}

void want_admin(const Config& config, Addresses& addresses, Book& book) {
  const std::string& listen = config.admin.listen;
  std::optional<Position> at;
  if (book.has("admin.listen")) at = book.place("admin.listen");
  const auto written = parse_listen(listen);
  if (written) addresses.want({*written, "the admin API", at});
  // The command line comes by the socket also where there is a TCP address.
  if (listen == "off" || (written && !is_port(*written))) return;
  if (auto socket = parse_listen("unix:" + config.server.data_dir + "/admin.sock")) {
    addresses.want({*std::move(socket), "the admin API", std::nullopt});
  }
}

}  // namespace

void check_listeners(const Config& config, Book& book) {
  Addresses addresses(book);
  Lists lists(addresses, book);
  if (opens_http(config)) lists.want(config.server.http, "http", "server.http");
  if (opens_https(config)) lists.want(config.server.https, "https", "server.https");
  for (std::size_t i = 0; i < config.sites.size(); ++i) {
    const Site& site = config.sites[i];
    if (site.http) lists.want(*site.http, "http", site_path(i) + ".http");
    if (site.https) lists.want(*site.https, "https", site_path(i) + ".https");
    const bool http = !(site.http ? *site.http : config.server.http).empty();
    const bool https = !(site.https ? *site.https : config.server.https).empty();
    if (!http && !https) book.fail(site.at, "this site has no listener: 'http' and 'https' are []");
  }
  want_admin(config, addresses, book);
  if (auto metrics = parse_listen(config.admin.metrics)) {
    addresses.want({*std::move(metrics), "metrics", book.place("admin.metrics")});
  }
}

}  // namespace gatehouse::config::detail
