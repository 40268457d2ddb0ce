#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <string_view>

#include "core/base/contains.hpp"
#include "proxy/control/cli.hpp"

namespace gatehouse::control {
namespace {

using Command = Invocation::Command;

// Commands of later versions: whoever asks is told so, instead of "unknown command".
constexpr std::array later_commands = {"plan",    "upgrade", "explain",
                                       "account", "import",  "dns-records"};
constexpr std::array later_certs_commands = {"renew", "revoke", "rollback", "export", "remove"};

Parting wrong_usage(const std::string& message) {
  return {2, "gatehouse: " + message + "\nTry 'gatehouse --help'.\n"};
}

/// The commands as CLI11 knows them, writing into `asked`.
class Commands {
 public:
  Commands() : app_("A TLS front door that gets its certificates by itself.", "gatehouse") {
    app_.require_subcommand(1);
    app_.set_help_flag("-h,--help", "This text; after a command: its options");
    serving();
    control();
    helpers();
  }

  CLI::App& app() { return app_; }
  Invocation asked;

 private:
  CLI::App* add(const char* name, const char* does, Command command) {
    CLI::App* sub = app_.add_subcommand(name, does);
    sub->callback([this, command] { asked.command = command; });
    return sub;
  }
  void takes_config(CLI::App* sub) {
    sub->add_option("-c,--config", asked.config_file,
                    "Config file; else $GATEHOUSE_CONFIG, ./gatehouse.toml, "
                    "/etc/gatehouse/gatehouse.toml")
        ->type_name("FILE");
  }
  /// Commands that talk to the running process.
  void takes_admin(CLI::App* sub) {
    takes_config(sub);
    sub->add_option("--admin", asked.admin,
                    "Admin address of the running process (unix:PATH or HOST:PORT); else as the "
                    "config says")
        ->type_name("ADDRESS");
  }
  void takes_json(CLI::App* sub) {
    sub->add_flag("--json", asked.json, "Print JSON instead of a table");
  }

  void serving() {
    takes_config(add("run", "Serve in the foreground", Command::run));
    CLI::App* proxy = add("proxy", "Serve one site without a config file", Command::proxy);
    proxy
        ->add_option("--from", asked.from,
                     "Host to serve; without it https://localhost:8443 with the internal CA")
        ->type_name("HOST[:PORT]");
    proxy->add_option("--to", asked.to, "Where requests go")->type_name("URL")->required();
    proxy->add_flag("--internal", asked.internal, "Take the certificate from the internal CA");
    CLI::App* validate =
        add("validate", "Check the config and name every error in it", Command::validate);
    takes_config(validate);
    takes_json(validate);
    takes_config(add("config", "Print the effective config with every default, secrets redacted",
                     Command::config));
  }

  void control() {
    takes_admin(add("reload", "Load the config again in the running process", Command::reload));
    takes_admin(add("stop", "Stop the running process gracefully", Command::stop));
    CLI::App* status =
        add("status", "Listeners, sites, certificates, connections", Command::status);
    takes_admin(status);
    takes_json(status);
    CLI::App* certs = app_.add_subcommand("certs", "Every certificate and its state");
    takes_admin(certs);
    takes_json(certs);
    certs->require_subcommand(0, 1);
    CLI::App* show = certs->add_subcommand("show", "One certificate");
    show->add_option("host", asked.host, "Its name")->type_name("HOST")->required();
    takes_admin(show);
    takes_json(show);
    certs->callback(
        [this, show] { asked.command = show->parsed() ? Command::certs_show : Command::certs; });
  }

  void helpers() {
    CLI::App* trust =
        add("trust", "Put the internal CA's root into the system's trust store", Command::trust);
    takes_config(trust);
    trust->add_flag("--print", asked.print, "Print the root certificate and change nothing");
    takes_config(add("untrust", "Take it out again", Command::untrust));
    CLI::App* hash = add("hash-password", "Hash a password for basic_auth", Command::hash_password);
    hash->add_option("--algorithm", asked.algorithm, "bcrypt or yescrypt")
        ->check(CLI::IsMember({"bcrypt", "yescrypt"}))
        ->capture_default_str();
    takes_json(add("version", "Version and libraries", Command::version));
  }

  CLI::App app_;
};

/// What CLI11 would only call an unexpected argument.
std::optional<Parting> unknown_command(const CLI::App& app,
                                       const std::vector<std::string>& arguments) {
  if (arguments.empty()) return Parting{2, app.help()};
  const std::string& first = arguments.front();
  if (first.starts_with("-")) return std::nullopt;
  if (contains(later_commands, first)) {
    return wrong_usage("the command '" + first + "' is not available in this version");
  }
  if (first == "certs" && arguments.size() > 1 && contains(later_certs_commands, arguments[1])) {
    return wrong_usage("the command 'certs " + arguments[1] + "' is not available in this version");
  }
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (sub->get_name() == first) return std::nullopt;
  }
  return wrong_usage("there is no command '" + first + "'");
}

}  // namespace

std::variant<Invocation, Parting> parse_command_line(std::vector<std::string> arguments) {
  Commands commands;
  if (arguments == std::vector<std::string>{"--version"}) arguments = {"version"};
  // `help` as people type it: alone, or before the command it is about.
  if (!arguments.empty() && arguments.front() == "help") {
    std::rotate(arguments.begin(), arguments.begin() + 1, arguments.end());
    arguments.back() = "--help";
  }
  if (auto unknown = unknown_command(commands.app(), arguments)) return *std::move(unknown);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  try {
    commands.app().parse(arguments);
  } catch (const CLI::CallForHelp&) {
    const CLI::App* app = &commands.app();
    while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
    return Parting{0, app->help()};
  } catch (const CLI::ParseError& error) {
    return wrong_usage(error.what());
  }
  return commands.asked;
}

}  // namespace gatehouse::control
