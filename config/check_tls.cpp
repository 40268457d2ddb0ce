// Rules for certificates: who issues them, for which names, by which proof.
#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "config/detail/check.hpp"
#include "core/base/contains.hpp"
#include "core/base/host.hpp"

namespace gatehouse::config::detail {
namespace {

struct PublicCa {
  std::string_view name;
  bool needs_eab;
};

constexpr std::array<PublicCa, 6> public_cas = {{{"letsencrypt", false},
                                                 {"letsencrypt-staging", false},
                                                 {"zerossl", true},
                                                 {"google", true},
                                                 {"google-staging", true},
                                                 {"sslcom", true}}};

const PublicCa* public_ca(std::string_view name) {
  const auto* found = std::find_if(public_cas.begin(), public_cas.end(),
                                   [&](const PublicCa& ca) { return ca.name == name; });
  return found == public_cas.end() ? nullptr : found;
}

/// The path of a setting that a site takes from [acme] where it does not say it itself.
std::string setting(const Book& book, const std::string& site_tls, const std::string& key) {
  const std::string own = site_tls + "." + key;
  return book.has(own) ? own : "acme." + key;
}

std::string public_ca_names() {
  std::string names;
  for (const PublicCa& ca : public_cas) names += std::string(ca.name) + ", ";
  return names;
}

void check_ca(const Config& config, const std::string& name, const std::string& path, Book& book) {
  if (name.empty()) return;
  const auto issuer = config.acme.issuer.find(name);
  const PublicCa* known = public_ca(name);
  if (!known && issuer == config.acme.issuer.end() && name == "buypass") {
    book.fail(book.place(path), "'buypass' ended its ACME service in 2025: use one of " +
                                    public_ca_names() + "or a CA of your own, [acme.issuer.NAME]");
    return;
  }
  if (!known && issuer == config.acme.issuer.end()) {
    Strings names;
    for (const PublicCa& ca : public_cas) names.emplace_back(ca.name);
    for (const auto& [each, settings] : config.acme.issuer) names.push_back(each);
    book.fail(book.place(path), "'" + name + "' is no built-in CA, and there is no [acme.issuer." +
                                    name + "]" + did_you_mean(name, names));
    return;
  }
  const bool eab = issuer != config.acme.issuer.end() && issuer->second.eab;
  if (known && known->needs_eab && !eab) {
    book.fail(book.place(path), "'" + name + "' wants an account of its own: write [acme.issuer." +
                                    name + "] with eab = { key_id = \"...\", hmac_key = \"...\" }");
  }
}

void check_issuers(const Config& config, Book& book, const Surroundings& around) {
  for (const auto& [name, issuer] : config.acme.issuer) {
    const std::string path = "acme.issuer." + name;
    if (issuer.directory.empty() && !book.spoilt(path + ".directory") && !public_ca(name)) {
      book.fail(book.place(path), "[acme.issuer." + name + "] needs 'directory'");
    }
    want_sound(issuer.roots, path, "roots", around.wrong_roots, book, around);
    if (!issuer.eab) continue;
    for (const char* key : {"key_id", "hmac_key"}) {
      if (!book.has(path + ".eab." + key)) {
        book.fail(book.place(path + ".eab"), "'eab' needs '" + std::string(key) + "'");
      }
    }
  }
  for (const auto& [name, provider] : config.acme.dns) {
    const std::string path = "acme.dns." + name;
    for (const char* key : {"zones", "provider"}) {
      if (!book.has(path + "." + key)) {
        book.fail(book.place(path), "[acme.dns." + name + "] needs '" + std::string(key) + "'");
      }
    }
  }
}

/// `table` is "acme" or a site's tls, and `text` what is written there: only that is told there.
void check_settings(const Config& config, const AcmeSettings& settings, const Node* text,
                    const std::string& table, Book& book) {
  if (below(text, "ca")) {
    for (std::size_t i = 0; i < settings.ca.size(); ++i) {
      check_ca(config, settings.ca[i], table + ".ca[" + std::to_string(i) + "]", book);
    }
  }
  if (below(text, "standby_ca")) {
    check_ca(config, settings.standby_ca, table + ".standby_ca", book);
  }
  for (const auto& [name, list] : {std::pair<const char*, const Strings&>{"ca", settings.ca},
                                   {"challenges", settings.challenges},
                                   {"key_type", settings.key_type}}) {
    if (!below(text, name)) continue;
    const std::string key = name;
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (std::find(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(i), list[i]) !=
          list.begin() + static_cast<std::ptrdiff_t>(i)) {
        book.fail(book.place(table + "." + key + "[" + std::to_string(i) + "]"),
                  "'" + key + "' holds '" + list[i] + "' twice");
      }
    }
  }
  if (!below(text, "renew_windows")) return;
  for (std::size_t i = 0; i < settings.renew_windows.size(); ++i) {
    const std::string path = table + ".renew_windows[" + std::to_string(i) + "]";
    for (const char* key : {"days", "from", "to"}) {
      if (!book.has(path + "." + key)) {
        book.fail(book.place(path), "a renewal window needs '" + std::string(key) + "'");
      }
    }
  }
}

/// Answers that cost a while, each asked for once: many sites say the same.
class Judged {
 public:
  const std::string& of(const std::string& key, const std::string& value, const Judge& wrong) {
    const auto [at, fresh] = values_.try_emplace({key, value});
    if (fresh) at->second = wrong(value);
    return at->second;
  }
  const WrongPair& of(const std::string& cert, const std::string& key, const Surroundings& around) {
    const auto [at, fresh] = pairs_.try_emplace({cert, key});
    if (fresh) at->second = around.wrong_pair(cert, key);
    return at->second;
  }

 private:
  std::map<std::pair<std::string, std::string>, std::string> values_;  // by key and value
  std::map<std::pair<std::string, std::string>, WrongPair> pairs_;
};

class SiteTlsCheck {
 public:
  SiteTlsCheck(const Config& config, std::size_t index, Book& book, const Surroundings& around,
               Judged& judged)
      : config_(config),
        site_(config.sites[index]),
        path_(site_path(index)),
        tls_(path_ + ".tls"),
        text_(below(book.site(index), "tls")),
        book_(book),
        around_(around),
        judged_(judged) {}

  void all() {
    check_settings(config_, *site_.tls.acme, text_, tls_, book_);
    check_listeners_fit();
    check_files();
    check_mixture();
    check_client_auth();
    check_alpn();
    check_ciphers();
    const bool acme = site_.tls.mode == TlsMode::acme;
    if (!acme && site_.tls.mode != TlsMode::on_demand) return;
    check_names_for_ca();
    check_key_types();
    if (acme) {
      for (std::size_t i = 0; i < site_.hosts.size(); ++i) check_acme_host(i);
    } else {
      check_on_demand();
    }
  }

 private:
  /// Whether [site.tls] has that key.
  bool says(std::string_view key) const { return below(text_, key) != nullptr; }
  std::string host_path(std::size_t i) const { return path_ + ".hosts[" + std::to_string(i) + "]"; }
  void tell(const std::string& path, std::string message) {
    book_.fail(book_.place(path), std::move(message));
  }

  void check_listeners_fit() {
    const bool off = site_.tls.mode == TlsMode::off;
    if (off && site_.https && !site_.https->empty()) {
      tell(path_ + ".https", "'https' listens for TLS, but tls.mode is \"off\"");
    }
    const bool none = site_.https ? site_.https->empty() : config_.server.https.empty();
    if (!off && none && says("mode")) {
      tell(tls_ + ".mode", "'mode' needs an https listener, and this site has none");
    }
  }

  void check_files() {
    const bool files = site_.tls.mode == TlsMode::files;
    for (const auto& [name, file] :
         {std::pair<const char*, const std::string&>{"cert", site_.tls.cert},
          {"key", site_.tls.key}}) {
      if (files) want_readable(file, tls_, name, book_, around_);
      if (files == !file.empty()) continue;  // there where it is wanted
      const std::string key = name;
      if (!files) {
        tell(tls_ + "." + key, "'" + key + "' goes with mode = \"files\"");
      } else if (says("mode")) {
        tell(tls_ + ".mode", "'mode' files needs '" + key + "'");
      }
    }
    check_pair();
  }

  void check_pair() {
    const SiteTls& tls = site_.tls;
    if (tls.mode != TlsMode::files || tls.cert.empty() || tls.key.empty()) return;
    if (!around_.wrong_pair || !around_.readable(tls.cert) || !around_.readable(tls.key)) return;
    const WrongPair& wrong = judged_.of(tls.cert, tls.key, around_);
    if (!wrong.why.empty()) tell(tls_ + "." + wrong.key, "'" + wrong.key + "': " + wrong.why);
  }

  /// One site has one mode; where the hosts ask for two, somebody must choose.
  void check_mixture() {
    if (says("mode") || site_.tls.mode == TlsMode::off) return;
    if (contains(site_.hosts, "")) return;  // a host that was no host
    const auto local = std::find_if(site_.hosts.begin(), site_.hosts.end(), is_local_site_host);
    const auto open = std::find_if_not(site_.hosts.begin(), site_.hosts.end(), is_local_site_host);
    if (local == site_.hosts.end() || open == site_.hosts.end()) return;
    tell(host_path(static_cast<std::size_t>(local - site_.hosts.begin())),
         "'" + *local + "' is a local name and '" + *open +
             "' is not: make two sites, or choose a mode in [site.tls]");
  }

  void check_client_auth() {
    const ClientAuth& auth = site_.tls.client_auth;
    if (auth.mode == "off" && auth.roots.empty() && auth.crl.empty()) return;
    const std::string path = tls_ + ".client_auth";
    if (auth.mode != "off" && auth.roots.empty()) tell(path, "'client_auth' needs 'roots'");
    // Somebody thinks that it is switched on.
    const bool means_it = !auth.roots.empty() || !auth.crl.empty();
    if (means_it && !below(below(text_, "client_auth"), "mode")) {
      tell(path, "'client_auth' needs 'mode': \"request\" or \"require\"");
    }
    if (auth.mode != "off" && site_.tls.mode == TlsMode::off) {
      tell(path, "'client_auth' needs TLS, but tls.mode is \"off\"");
    }
    if (auth.mode == "require" && !site_.redirect_http) {
      tell(path_ + ".redirect_http",
           "'redirect_http' = false cannot serve a site in plain HTTP that requires a client "
           "certificate: leave it out");
    }
    check_trusted("roots", auth.roots, around_.wrong_roots);
    check_trusted("crl", auth.crl, around_.wrong_lists);
  }

  void check_trusted(const char* key, const std::string& file, const Judge& wrong) {
    Judge once;
    if (wrong) once = [&](const std::string& path) { return judged_.of(key, path, wrong); };
    want_sound(file, tls_ + ".client_auth", key, once, book_, around_);
  }

  void check_alpn() {
    if (!says("alpn") || !book_.has("server.protocols")) return;
    if (contains(site_.tls.alpn, "h2") && !contains(config_.server.protocols, "h2")) {
      tell(tls_ + ".alpn", "'alpn' offers h2, but [server] protocols has no \"h2\"");
    }
  }

  void check_ciphers() {
    if (site_.tls.ciphers == "default" || !around_.wrong_ciphers || !says("ciphers")) return;
    const std::string why = judged_.of("ciphers", site_.tls.ciphers, around_.wrong_ciphers);
    if (!why.empty()) tell(tls_ + ".ciphers", "'ciphers' " + why);
  }

  /// No public CA certifies local names; a CA of one's own may.
  void check_names_for_ca() {
    const auto& cas = site_.tls.acme->ca;
    const auto is_public = [&](const std::string& ca) {
      const auto issuer = config_.acme.issuer.find(ca);
      const bool moved = issuer != config_.acme.issuer.end() && !issuer->second.directory.empty();
      return public_ca(ca) && !moved;
    };
    const auto ca = std::find_if(cas.begin(), cas.end(), is_public);
    if (ca == cas.end() || !says("mode")) return;
    for (std::size_t i = 0; i < site_.hosts.size(); ++i) {
      if (site_.hosts[i].empty() || !is_local_site_host(site_.hosts[i])) continue;
      tell(host_path(i), "'" + site_.hosts[i] + "' is a local name, which '" + *ca +
                             "' does not certify: use mode = \"internal\" or a CA of your own");
    }
  }

  void check_key_types() {
    const auto ca = std::find_if(site_.tls.acme->ca.begin(), site_.tls.acme->ca.end(), public_ca);
    if (!contains(site_.tls.acme->key_type, "ed25519") || ca == site_.tls.acme->ca.end()) return;
    tell(setting(book_, tls_, "key_type"),
         "'key_type' ed25519 is not signed by '" + *ca + "' or any public CA");
  }

  void check_acme_host(std::size_t i) {
    const std::string& host = site_.hosts[i];
    const Strings& challenges = site_.tls.acme->challenges;
    const bool dns = contains(challenges, "dns-01") || contains(challenges, "dns-persist-01");
    if (host == "*") {
      tell(host_path(i), "\"*\" stands for no certain name: use mode = \"on_demand\"");
    } else if (host.starts_with("*.") && !dns) {
      tell(host_path(i), "'" + host +
                             "' needs the challenge dns-01 or dns-persist-01 with mode = "
                             "\"acme\"; mode = \"on_demand\" gets a certificate for each name");
    } else if (as_address(host) && !contains(challenges, "http-01") &&
               !contains(challenges, "tls-alpn-01")) {
      tell(host_path(i), "an IP address is proved by http-01 or tls-alpn-01 only");
    }
  }

  void check_on_demand() {
    const OnDemand& rules = config_.acme.on_demand;
    if (!rules.allow.empty() || !rules.ask.empty()) return;
    for (std::size_t i = 0; i < site_.hosts.size(); ++i) {
      if (!site_.hosts[i].starts_with("*")) continue;
      tell(host_path(i), "'" + site_.hosts[i] +
                             "' with mode = \"on_demand\" needs 'allow' or 'ask' in "
                             "[acme.on_demand]: else anyone could spend the CA's limits");
    }
  }

  const Config& config_;
  const Site& site_;
  std::string path_;
  std::string tls_;
  const Node* text_;  // of [site.tls], where there is one
  Book& book_;
  const Surroundings& around_;
  Judged& judged_;
};

}  // namespace

void check_acme(const Config& config, Book& book, const Surroundings& around) {
  check_issuers(config, book, around);
  check_settings(config, config.acme.settings, book.written("acme"), "acme", book);
}

void check_site_tls(const Config& config, Book& book, const Surroundings& around) {
  Judged judged;
  for (std::size_t i = 0; i < config.sites.size(); ++i) {
    SiteTlsCheck(config, i, book, around, judged).all();
  }
}

}  // namespace gatehouse::config::detail
