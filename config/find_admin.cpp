// Finds two keys in a text that may be wrong in any other place.
#include <algorithm>
#include <sstream>

#include "config/detail/parse.hpp"
#include "config/detail/words.hpp"

namespace gatehouse::config {
namespace {

using detail::Book;
using detail::Node;

/// `table.key` as a string that is whole; null where there is none.
const std::string* text_at(const Node& root, std::string_view table, std::string_view key) {
  const auto* outer = root.find(table);
  const auto* inner = outer ? outer->value.find(key) : nullptr;
  if (!inner || inner->value.kind != Node::Kind::text || inner->value.broken) return nullptr;
  return &inner->value.text;
}

/// True: it was TOML.
bool look(const std::string& text, const Surroundings& around, AdminPlace& found) {
  Book unheard;
  auto root = detail::parse_toml(text, "", unheard);
  if (!root) return false;
  detail::substitute(*root, around, unheard);
  const std::string* listen = text_at(*root, "admin", "listen");
  if (listen && !listen->empty() && detail::parse_admin_listen(*listen)) {
    found.listen = *listen;
    found.listen_read = true;
  }
  const std::string* data_dir = text_at(*root, "server", "data_dir");
  if (data_dir && !data_dir->empty()) {
    found.data_dir = *data_dir;
    found.data_dir_read = true;
  }
  return true;
}

/// Each line under the table it stands in: one that cannot be read spoils only itself.
void look_by_lines(const std::string& text, const Surroundings& around, AdminPlace& found) {
  std::istringstream lines(text);
  std::string table;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find_first_not_of(" \t");
    if (first == std::string::npos) continue;
    if (line[first] == '[') {
      table = line + "\n";
    } else if (line.find("listen") != std::string::npos ||
               line.find("data_dir") != std::string::npos) {
      look(table + line + "\n", around, found);
    }
  }
}

/// What stands before the first [[site]], where only sites, backends and certificates follow: of
/// many sites all but a few lines. Empty: the whole text must be looked at.
std::string before_sites(std::string_view text) {
  std::size_t sites = std::string_view::npos;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at), at += at < text.size()) {
    std::string_view line = text.substr(at, text.find('\n', at) - at);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (!line.starts_with('[')) continue;
    if (sites == std::string_view::npos && line.starts_with("[[site]]")) sites = at;
    if (sites == std::string_view::npos) continue;
    line.remove_prefix(line.starts_with("[[") ? 2 : 1);
    const bool elsewhere = line.starts_with("site]") || line.starts_with("site.") ||
                           line.starts_with("backend.") || line.starts_with("certificate]");
    if (!elsewhere) return {};
  }
  return sites == std::string_view::npos ? std::string() : std::string(text.substr(0, sites));
}

}  // namespace

AdminPlace find_admin(const std::string& text, const Surroundings& around) {
  AdminPlace found;
  const std::string start = before_sites(text);
  const bool seen = !start.empty() && look(start, around, found);
  if (!seen && !look(text, around, found)) look_by_lines(text, around, found);
  if (!found.data_dir_read) found.data_dir = detail::default_data_dir(around);
  return found;
}

}  // namespace gatehouse::config
