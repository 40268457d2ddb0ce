#include "proxy/control/tickets_file.hpp"

#include <nlohmann/json.hpp>
#include <sstream>

namespace gatehouse::control {

using nlohmann::json;

std::string tickets_json(const std::string& ring) {
  json keys = json::array();
  std::istringstream lines(ring);
  for (std::string line; std::getline(lines, line);) keys.push_back(line);
  json file;
  file["keys"] = std::move(keys);
  return file.dump() + "\n";
}

Result<std::string> tickets_text(const std::string& text) {
  const Error damaged(Fault::bad_message, Side::self, "tickets.json is damaged");
  const json file = json::parse(text, nullptr, false);
  if (!file.is_object()) return damaged;
  const auto keys = file.find("keys");
  if (keys == file.end() || !keys->is_array() || keys->empty()) return damaged;
  std::string ring;
  for (const json& key : *keys) {
    if (!key.is_string()) return damaged;
    ring += key.get<std::string>() + "\n";
  }
  return ring;
}

}  // namespace gatehouse::control
