#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/load.hpp"

namespace gatehouse::config {

/// A machine of values: its environment and its files. Globs match whole paths by their ending
/// (`dir/*.toml`).
struct Machine {
  std::map<std::string, std::string> environment = {{"HOME", "/home/u"}};
  std::map<std::string, std::string> files;
  bool root = false;

  Surroundings around() const;
};

/// The problems of the text, each as FILE:LINE:COL: message.
std::vector<std::string> problems(const std::string& text, const Machine& machine = {},
                                  Features features = Features::whole_language);
/// Its warnings, likewise; the text has no problem.
std::vector<std::string> warnings(const std::string& text, const Machine& machine = {});
/// The config of a text without problems; tells them otherwise.
Config config_of(const std::string& text, const Machine& machine = {},
                 Features features = Features::whole_language);

/// A text and the problems that it is to be told, each as above.
struct Row {
  const char* name;
  const char* text;
  std::vector<std::string> told;
};
void check_rows(const std::vector<Row>& rows, Features features);

/// Enough of a site for a text whose mistake is elsewhere.
inline constexpr const char* good_site = "[[site]]\nhosts = \"a.example\"\nbackend = \"unix:/b\"\n";

}  // namespace gatehouse::config
