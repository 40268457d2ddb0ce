#include "proxy/control/config_file.hpp"

#include <filesystem>

#include "core/base/host.hpp"
#include "core/base/log.hpp"
#include "core/base/url.hpp"
#include "core/tls/certificate.hpp"
#include "core/tls/cipher_list.hpp"
#include "core/tls/pem_file.hpp"
#include "core/tls/trust_text.hpp"
#include "proxy/control/process.hpp"

namespace gatehouse::control {
namespace {

/// `value` as a TOML basic string. Only values that were parsed before come here.
std::string toml_string(const std::string& value) {
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
    // "${" would be read as a substitution.
    if (c == '$') out += "$";
  }
  return out + "\"";
}

std::string server_text(const Url& to) {
  const bool v6 = to.host.find(':') != std::string::npos;
  return to.scheme + "://" + (v6 ? "[" + to.host + "]" : to.host) + ":" + std::to_string(to.port);
}

std::string wrong_user(const std::string& name) {
  const auto account = find_account(name);
  if (account || account.error().fault() != Fault::not_found) return {};
  return "names '" + name + "', and there is no such user: make one ('useradd --system " + name +
         "'), or leave 'user' out to stay who starts it";
}

/// What `check` has against the text of a file.
std::string wrong_text(const std::string& path, Result<void> (*check)(std::string_view)) {
  const auto text = tls::read_pem_file(path);
  if (!text) return text.error().detail();
  const auto fine = check(*text);
  return fine ? std::string() : path + ": " + fine.error().detail();
}

config::WrongPair wrong_pair(const std::string& cert, const std::string& key) {
  const auto in = [](const char* which, const std::string& file, Error error) {
    const std::string why = error.detail();
    return config::WrongPair{which, why.starts_with(file) ? why : file + ": " + why};
  };
  const auto chain = tls::read_pem_file(cert);
  if (!chain) return in("cert", cert, chain.error());
  const auto secret = tls::read_pem_file(key);
  if (!secret) return in("key", key, secret.error());
  if (const auto shown = tls::Certificate::parse_public(*chain); !shown) {
    return in("cert", cert, shown.error());
  }
  const auto both = tls::Certificate::parse(*chain, *secret);
  return both ? config::WrongPair{} : in("key", key, both.error());
}

}  // namespace

config::Surroundings machine() {
  config::Surroundings around = config::Surroundings::system();
  around.wrong_ciphers = tls::wrong_in_cipher_list;
  return around;
}

config::Surroundings machine_in_depth() {
  config::Surroundings around = machine();
  around.wrong_user = wrong_user;
  around.wrong_pair = wrong_pair;
  around.wrong_roots = [](const std::string& path) { return wrong_text(path, tls::check_roots); };
  around.wrong_lists = [](const std::string& path) {
    return wrong_text(path, tls::check_revocation_lists);
  };
  return around;
}

config::Loaded ConfigSource::load(const config::Surroundings& around) const {
  return text ? config::load_text(*text, name, around) : config::load_file(name, around);
}

std::optional<std::string> find_config(
    const std::string& given,
    const std::function<std::optional<std::string>(const std::string&)>& environment,
    const std::function<bool(const std::string&)>& exists) {
  if (!given.empty()) return given;
  if (auto named = environment("GATEHOUSE_CONFIG"); named && !named->empty()) return named;
  for (const char* place : {"gatehouse.toml", "/etc/gatehouse/gatehouse.toml"}) {
    if (exists(place)) return place;
  }
  return std::nullopt;
}

std::optional<std::string> find_config(const std::string& given) {
  const auto exists = [](const std::string& path) { return std::filesystem::exists(path); };
  return find_config(given, config::Surroundings::system().environment, exists);
}

Result<std::string> proxy_config(const ProxyRequest& request) {
  const std::string to_text =
      request.to.find("://") == std::string::npos ? "http://" + request.to : request.to;
  auto to = Url::parse(to_text);
  if (!to) return Error(to.error()).within("--to " + request.to);
  if (to->target != "/") {
    return Error(Fault::bad_message, Side::self,
                 "--to " + request.to + ": a path is not taken here; write a config file for that");
  }
  HostPort from{"localhost", 8443};
  if (!request.from.empty()) {
    auto parsed = HostPort::parse(request.from, 443);
    if (!parsed) return Error(parsed.error()).within("--from " + request.from);
    from = *std::move(parsed);
  }
  const bool internal = request.internal || is_local_host(from.host);
  std::string text = "[server]\n";
  // Port 80 belongs to 443: challenges and redirects. Any other port stands alone.
  text += from.port == 443 ? "http = [\":80\"]\n" : "http = []\n";
  text += "https = [\":" + std::to_string(from.port) + "\"]\n\n";
  text += "[[site]]\nhosts = [" + toml_string(from.host) + "]\n";
  text += "backend = " + toml_string(server_text(*to)) + "\n";
  if (internal) text += "tls = { mode = \"internal\" }\n";
  return text;
}

std::string problems_text(const std::vector<config::Problem>& problems) {
  std::string text;
  for (const config::Problem& problem : problems) text += problem.text() + "\n";
  return text;
}

std::string warnings_text(const std::vector<config::Problem>& warnings) {
  std::string text;
  for (const config::Problem& warning : warnings) {
    text += warning.place() + ": warning: " + warning.message + "\n";
  }
  return text;
}

void log_warnings(const std::vector<config::Problem>& warnings) {
  for (const config::Problem& warning : warnings) {
    log::warn("config accepted with a warning",
              {{"at", warning.place()}, {"why", warning.message}});
  }
}

}  // namespace gatehouse::control
