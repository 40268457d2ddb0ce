#include "proxy/control/config_file.hpp"

#include <filesystem>

#include "core/base/host.hpp"
#include "core/base/log.hpp"
#include "core/base/url.hpp"

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

}  // namespace

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
