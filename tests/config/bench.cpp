#include "bench.hpp"

#include <doctest/doctest.h>

namespace gatehouse::config {
namespace {

template <class Map>
std::optional<std::string> look_up(const Map& map, const std::string& key) {
  const auto found = map.find(key);
  if (found == map.end()) return {};
  return found->second;
}

}  // namespace

Surroundings Machine::around() const {
  Surroundings around;
  around.environment = [all = environment](const std::string& name) { return look_up(all, name); };
  around.read_file = [all = files](const std::string& path) { return look_up(all, path); };
  around.readable = [all = files](const std::string& path) { return all.contains(path); };
  around.glob = [all = files](const std::string& pattern) {
    const std::size_t star = pattern.find('*');
    const std::string before = pattern.substr(0, star);
    const std::string after = pattern.substr(star + 1);
    std::vector<std::string> found;
    for (const auto& [path, content] : all) {
      if (path.starts_with(before) && path.ends_with(after)) found.push_back(path);
    }
    return found;
  };
  around.root = root;
  return around;
}

std::vector<std::string> problems(const std::string& text, const Machine& machine,
                                  Features features) {
  std::vector<std::string> told;
  for (const Problem& problem : load_text(text, "g.toml", machine.around(), features).problems) {
    told.push_back(problem.text());
  }
  return told;
}

std::vector<std::string> warnings(const std::string& text, const Machine& machine) {
  const Loaded loaded = load_text(text, "g.toml", machine.around(), Features::whole_language);
  CHECK(loaded.config.has_value());
  std::vector<std::string> told;
  for (const Problem& warning : loaded.warnings) told.push_back(warning.text());
  return told;
}

Config config_of(const std::string& text, const Machine& machine, Features features) {
  const Loaded loaded = load_text(text, "g.toml", machine.around(), features);
  for (const Problem& problem : loaded.problems) MESSAGE(problem.text());
  REQUIRE(loaded.config);
  return *loaded.config;
}

void check_rows(const std::vector<Row>& rows, Features features) {
  const auto joined = [](const std::vector<std::string>& all) {
    std::string out;
    for (const std::string& line : all) out += line + "\n";
    return out;
  };
  for (const Row& row : rows) {
    CAPTURE(std::string(row.name));
    CHECK(joined(problems(row.text, {}, features)) == joined(row.told));
  }
}

}  // namespace gatehouse::config
