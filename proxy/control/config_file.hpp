#pragma once

#include <functional>
#include <optional>
#include <string>

#include "config/load.hpp"
#include "core/base/error.hpp"

namespace gatehouse::control {

/// Where the config comes from: a file that is read anew at each reload, or a text in memory
/// (`gatehouse proxy`).
struct ConfigSource {
  std::string name;                 // the file, or what stands for it in messages
  std::optional<std::string> text;  // set: not a file

  config::Loaded load(const config::Surroundings& around) const;
};

/// This machine, with what OpenSSL has to say about a config.
config::Surroundings machine();
/// The same for `validate`: it also asks for what a start finds out later, which is the account,
/// and the certificates and keys of mode "files". Many thousand of those take seconds.
config::Surroundings machine_in_depth();

/// `given`, else $GATEHOUSE_CONFIG, else ./gatehouse.toml, else /etc/gatehouse/gatehouse.toml.
/// Null: nothing was named and no file is there.
std::optional<std::string> find_config(
    const std::string& given,
    const std::function<std::optional<std::string>(const std::string&)>& environment,
    const std::function<bool(const std::string&)>& exists);
/// The same with this process's environment and files.
std::optional<std::string> find_config(const std::string& given);

/// The config of `gatehouse proxy`.
struct ProxyRequest {
  std::string from;  // HOST[:PORT]; empty: localhost:8443 with the internal CA
  std::string to;    // URL
  bool internal = false;
};
Result<std::string> proxy_config(const ProxyRequest& request);

/// One problem a line.
std::string problems_text(const std::vector<config::Problem>& problems);
/// One warning a line, each named as one.
std::string warnings_text(const std::vector<config::Problem>& warnings);
/// The same for the log of a process that runs.
void log_warnings(const std::vector<config::Problem>& warnings);

}  // namespace gatehouse::control
