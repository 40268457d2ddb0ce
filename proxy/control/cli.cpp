#include "proxy/control/cli.hpp"

#include <boost/version.hpp>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

#include "core/base/log.hpp"
#include "core/tls/version.hpp"
#include "proxy/control/config_file.hpp"
#include "proxy/control/fail.hpp"
#include "proxy/control/password.hpp"
#include "proxy/control/process.hpp"
#include "proxy/control/remote.hpp"
#include "proxy/control/service.hpp"
#include "proxy/control/trust.hpp"

namespace gatehouse::control {
namespace {

using Command = Invocation::Command;

/// Loads what the command line names, or says what is wrong and with which exit status.
struct Opened {
  std::optional<config::Config> config;
  std::vector<config::Problem> warnings;
  ConfigSource source;
  int status = 0;
};

Opened load(ConfigSource source, const config::Surroundings& around = machine()) {
  Opened opened;
  config::Loaded loaded = source.load(around);
  opened.source = std::move(source);
  opened.config = std::move(loaded.config);
  opened.warnings = std::move(loaded.warnings);
  if (!opened.config) {
    std::cerr << problems_text(loaded.problems);
    opened.status = 2;
  }
  return opened;
}

Opened load_file(const Invocation& asked, const config::Surroundings& around = machine()) {
  const auto file = find_config(asked.config_file);
  if (file) return load(ConfigSource{*file, std::nullopt}, around);
  Opened opened;
  opened.status = fail(
      "no config file: give one with -c FILE, or write ./gatehouse.toml or "
      "/etc/gatehouse/gatehouse.toml",
      2);
  return opened;
}

awaitable<void> serve_and_note(Service& service, int& status) {
  const auto served = co_await service.run();
  if (served) co_return;
  // The log says it where operators look, stderr where the starter looks.
  log::error("not started", {{"why", served.error().detail()}});
  status = fail(served.error().detail());
}

int serve(Opened opened) {
  if (!opened.config) return opened.status;
  std::signal(SIGPIPE, SIG_IGN);
  hold_signals();  // before the first thread starts
  int status = 0;
  asio::io_context control(1);
  Service service(control, std::move(opened.source), *std::move(opened.config),
                  std::move(opened.warnings));
  const auto end = [&](std::exception_ptr failure) {
    if (!failure) return;
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& e) {
      log::error("ended by a failure", {{"what", e.what()}});
      status = fail(e.what());
    }
  };
  asio::co_spawn(control, serve_and_note(service, status), end);
  control.run();
  return status;
}

int proxy(const Invocation& asked) {
  const ProxyRequest request{asked.from, asked.to, asked.internal};
  auto text = proxy_config(request);
  if (!text) return fail(text.error().detail(), 2);
  return serve(load(ConfigSource{"gatehouse proxy", *std::move(text)}));
}

std::size_t count_routes(const config::Config& config) {
  std::size_t routes = 0;
  for (const config::Site& site : config.sites) routes += site.routes.size();
  return routes;
}

std::string counted(std::size_t number, const std::string& what) {
  return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

int validate(const Invocation& asked) {
  const Opened opened = load_file(asked, machine_in_depth());
  std::cerr << warnings_text(opened.warnings);
  if (!opened.config) return opened.status;
  const std::size_t sites = opened.config->sites.size();
  const std::size_t routes = count_routes(*opened.config);
  const std::size_t certificates = wanted_certificates(*opened.config).size();
  if (asked.json) {
    const nlohmann::json summary = {{"file", opened.source.name},
                                    {"sites", sites},
                                    {"routes", routes},
                                    {"certificates", certificates}};
    std::cout << summary.dump() << '\n';
    return 0;
  }
  std::cout << opened.source.name << ": valid, " << counted(sites, "site") << ", "
            << counted(routes, "route") << ", " << counted(certificates, "certificate") << '\n';
  return 0;
}

int print_config(const Invocation& asked) {
  const Opened opened = load_file(asked);
  if (!opened.config) return opened.status;
  std::cout << config::print(*opened.config);
  return 0;
}

int hash(const Invocation& asked) {
  const auto password = read_password();
  if (!password) return fail(password.error().detail());
  const auto algorithm =
      asked.algorithm == "yescrypt" ? HashAlgorithm::yescrypt : HashAlgorithm::bcrypt;
  const auto hashed = hash_password(*password, algorithm);
  if (!hashed) return fail(hashed.error().detail());
  std::cout << *hashed << '\n';
  return 0;
}

/// The data directory of the named config; the default one where there is no config.
std::optional<std::string> data_dir(const Invocation& asked, int& status) {
  const auto file = find_config(asked.config_file);
  const ConfigSource source =
      file ? ConfigSource{*file, std::nullopt} : ConfigSource{"(no config)", ""};
  const Opened opened = load(source);
  status = opened.status;
  if (!opened.config) return std::nullopt;
  return opened.config->server.data_dir;
}

/// Who asks by way of sudo may mean the process they run as themselves.
std::optional<std::string> data_dir_before_sudo() {
  const char* name = std::getenv("SUDO_USER");
  if (!name || ::geteuid() != 0) return std::nullopt;
  const auto account = find_account(name);
  if (!account || account->home.empty()) return std::nullopt;
  return account->home + "/.local/share/gatehouse";
}

Result<std::string> find_root(const std::string& directory) {
  auto root = internal_root(directory);
  if (root || root.error().fault() != Fault::not_found) return root;
  const auto other = data_dir_before_sudo();
  if (!other) return root;
  auto theirs = internal_root(*other);
  return theirs ? theirs : root;
}

int trust_root(const Invocation& asked) {
  int status = 0;
  const auto directory = data_dir(asked, status);
  if (!directory) return status;
  const auto root = find_root(*directory);
  if (!root) return fail(root.error().detail());
  if (asked.print) {
    std::cout << *root;
    return 0;
  }
  const auto store = TrustStore::of_system();
  if (!store) return fail(store.error().detail());
  const auto trusted = trust(*store, *root);
  if (!trusted) return fail(trusted.error().detail());
  switch (*trusted) {
    case Trusted::anew:
      std::cout << "trusted: " << store->file() << '\n';
      break;
    case Trusted::before:
      std::cout << "trusted already: " << store->file() << '\n';
      break;
    case Trusted::replaced:
      std::cout << "trusted: " << store->file() << ", in place of another Gatehouse root\n";
      break;
  }
  return 0;
}

int untrust_root() {
  const auto store = TrustStore::of_system();
  if (!store) return fail(store.error().detail());
  const auto removed = untrust(*store);
  if (!removed) return fail(removed.error().detail());
  std::cout << (*removed ? "no longer trusted: " : "was not trusted: ") << store->file() << '\n';
  return 0;
}

int print_version(const Invocation& asked) {
  const std::string boost = std::to_string(BOOST_VERSION / 100000) + "." +
                            std::to_string(BOOST_VERSION / 100 % 1000) + "." +
                            std::to_string(BOOST_VERSION % 100);
  const std::string openssl = tls::library_version();
#if defined(__clang__)
  const std::string compiler = "clang " __clang_version__;
#else
  const std::string compiler = "gcc " __VERSION__;
#endif
  if (asked.json) {
    const nlohmann::json facts = {{"version", GATEHOUSE_VERSION},
                                  {"openssl", openssl},
                                  {"boost", boost},
                                  {"compiler", compiler},
                                  {"features", {{"h2", true}, {"h3", false}}}};
    std::cout << facts.dump() << '\n';
    return 0;
  }
  std::cout << "gatehouse " GATEHOUSE_VERSION "\n"
            << openssl << "\nBoost " << boost << "\nbuilt with " << compiler
            << "\nprotocols: h1 h2\n";
  return 0;
}

int carry_out(const Invocation& asked) {
  switch (asked.command) {
    case Command::run:
      return serve(load_file(asked));
    case Command::proxy:
      return proxy(asked);
    case Command::validate:
      return validate(asked);
    case Command::config:
      return print_config(asked);
    case Command::reload:
    case Command::stop:
    case Command::status:
    case Command::certs:
    case Command::certs_show:
      return run_remote(asked);
    case Command::trust:
      return trust_root(asked);
    case Command::untrust:
      return untrust_root();
    case Command::hash_password:
      return hash(asked);
    case Command::version:
      return print_version(asked);
  }
  return 2;
}

}  // namespace

int main_with(std::vector<std::string> arguments) {
  const auto parsed = parse_command_line(std::move(arguments));
  if (const auto* parting = std::get_if<Parting>(&parsed)) {
    (parting->status == 0 ? std::cout : std::cerr) << parting->text;
    return parting->status;
  }
  try {
    return carry_out(std::get<Invocation>(parsed));
  } catch (const std::exception& e) {
    return fail(e.what());
  }
}

}  // namespace gatehouse::control
