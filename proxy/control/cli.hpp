#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace gatehouse::control {

/// What the command line asks for; only the fields of its command mean anything.
struct Invocation {
  enum class Command : std::uint8_t {
    run,
    proxy,
    validate,
    config,
    reload,
    stop,
    status,
    certs,
    certs_show,
    trust,
    untrust,
    hash_password,
    version,
  };
  Command command = Command::run;
  std::string config_file;  // -c; empty: the search order decides
  std::string admin;        // --admin; empty: as the config says
  bool json = false;
  std::string host;                  // certs show
  std::string from;                  // proxy
  std::string to;                    // proxy
  bool internal = false;             // proxy
  bool print = false;                // trust
  std::string algorithm = "bcrypt";  // hash-password
};

/// The program has nothing more to do than say this: help, or what was wrong with the line.
struct Parting {
  int status = 0;
  std::string text;  // on stdout when the status is 0, else on stderr
};

std::variant<Invocation, Parting> parse_command_line(std::vector<std::string> arguments);

/// The whole program. Exit status: 0 done, 1 failed, 2 wrong usage or invalid config.
int main_with(std::vector<std::string> arguments);

}  // namespace gatehouse::control
