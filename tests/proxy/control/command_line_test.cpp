#include <doctest/doctest.h>

#include "proxy/control/cli.hpp"

namespace command_line_test {

using namespace gatehouse::control;
using Command = Invocation::Command;

namespace {

Invocation accepted(std::vector<std::string> arguments) {
  auto parsed = parse_command_line(std::move(arguments));
  const auto* parting = std::get_if<Parting>(&parsed);
  REQUIRE_MESSAGE(parting == nullptr, parting->text);
  return std::get<Invocation>(parsed);
}

Parting refused(std::vector<std::string> arguments) {
  auto parsed = parse_command_line(std::move(arguments));
  REQUIRE(std::holds_alternative<Parting>(parsed));
  return std::get<Parting>(parsed);
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("each command of this version is understood") {
  CHECK(accepted({"run"}).command == Command::run);
  CHECK(accepted({"validate"}).command == Command::validate);
  CHECK(accepted({"config"}).command == Command::config);
  CHECK(accepted({"reload"}).command == Command::reload);
  CHECK(accepted({"stop"}).command == Command::stop);
  CHECK(accepted({"status"}).command == Command::status);
  CHECK(accepted({"certs"}).command == Command::certs);
  CHECK(accepted({"trust"}).command == Command::trust);
  CHECK(accepted({"untrust"}).command == Command::untrust);
  CHECK(accepted({"hash-password"}).command == Command::hash_password);
  CHECK(accepted({"version"}).command == Command::version);
  CHECK(accepted({"--version"}).command == Command::version);
}

TEST_CASE("help is a command, too") {
  const Parting help = refused({"help"});
  CHECK(help.status == 0);
  CHECK(help.text == refused({"--help"}).text);
  CHECK(refused({"help", "certs", "show"}).text == refused({"certs", "show", "--help"}).text);
  CHECK(refused({"help", "certs"}).status == 0);
  CHECK(refused({"help", "serve"}).status == 2);
}

TEST_CASE("the config file is named after the command") {
  CHECK(accepted({"run", "-c", "a.toml"}).config_file == "a.toml");
  CHECK(accepted({"validate", "--config", "a.toml"}).config_file == "a.toml");
  CHECK(accepted({"status", "--json", "-c", "a.toml"}).json);
  CHECK(accepted({"reload", "--admin", "unix:/run/a.sock"}).admin == "unix:/run/a.sock");
}

TEST_CASE("proxy takes where from and where to") {
  const Invocation asked = accepted({"proxy", "--from", "a.example", "--to", "http://[::1]:80"});
  CHECK(asked.command == Command::proxy);
  CHECK(asked.from == "a.example");
  CHECK(asked.to == "http://[::1]:80");
  CHECK_FALSE(asked.internal);
  CHECK(accepted({"proxy", "--to", "http://localhost:3000", "--internal"}).internal);
  CHECK(refused({"proxy"}).status == 2);
}

TEST_CASE("certs show names its host, and its options may stand on either side") {
  const Invocation asked = accepted({"certs", "show", "a.example", "--json"});
  CHECK(asked.command == Command::certs_show);
  CHECK(asked.host == "a.example");
  CHECK(asked.json);
  CHECK(accepted({"certs", "--json", "show", "a.example"}).json);
  CHECK(refused({"certs", "show"}).status == 2);
}

TEST_CASE("a command of a later version is refused by name") {
  for (const char* name : {"plan", "upgrade", "explain", "account", "import", "dns-records"}) {
    CAPTURE(name);
    const Parting parting = refused({name});
    CHECK(parting.status == 2);
    CHECK(contains(parting.text, "'" + std::string(name) + "' is not available in this version"));
  }
  const Parting parting = refused({"certs", "renew", "a.example"});
  CHECK(parting.status == 2);
  CHECK(contains(parting.text, "'certs renew' is not available in this version"));
}

TEST_CASE("help shows what this version has and nothing else") {
  const Parting help = refused({"--help"});
  CHECK(help.status == 0);
  CHECK(contains(help.text, "hash-password"));
  CHECK_FALSE(contains(help.text, "dns-records"));
  CHECK_FALSE(contains(help.text, "upgrade"));
  const Parting run = refused({"run", "--help"});
  CHECK(run.status == 0);
  CHECK(contains(run.text, "GATEHOUSE_CONFIG"));
}

TEST_CASE("wrong usage is told and ends with status 2") {
  CHECK(refused({}).status == 2);
  CHECK(contains(refused({"serve"}).text, "there is no command 'serve'"));
  CHECK(refused({"serve"}).status == 2);
  CHECK(refused({"run", "--fast"}).status == 2);
  CHECK(refused({"run", "extra"}).status == 2);
  CHECK(refused({"hash-password", "--algorithm", "md5"}).status == 2);
}

}  // namespace command_line_test
