// Any text is a config or a list of problems with places, and a config prints to a text that loads
// again to the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/load.hpp"

namespace {

using namespace gatehouse::config;

Surroundings nowhere() {
  Surroundings around;
  around.environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "HOME") return "/home/u";
    return {};
  };
  around.read_file = [](const std::string& path) -> std::optional<std::string> {
    if (path == "/x") return "x\n";
    return {};
  };
  around.readable = [](const std::string& path) { return path == "/x"; };
  around.glob = [](const std::string&) { return Strings{"/x"}; };
  return around;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const Surroundings around = nowhere();
  const Loaded loaded = load_text(text, "f", around, Features::whole_language);
  if (loaded.config.has_value() == !loaded.problems.empty()) std::abort();
  if (!loaded.config) return 0;
  const std::string printed = print(*loaded.config, Features::whole_language);
  if (printed.find("<redacted>") != std::string::npos) return 0;
  const Loaded again = load_text(printed, "f", around, Features::whole_language);
  if (!again.config || print(*again.config, Features::whole_language) != printed) std::abort();
  return 0;
}
