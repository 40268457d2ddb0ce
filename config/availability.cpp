// What this version has of the language. A later version deletes lines here.
#include <algorithm>
#include <array>
#include <unordered_map>

#include "config/detail/parse.hpp"
#include "core/base/contains.hpp"

namespace gatehouse::config::detail {
namespace {

/// A key path, all below it included, and what may be written there nevertheless: the values that
/// ask for nothing. An empty list or table asks for nothing.
struct Row {
  std::string_view path;
  std::vector<std::string_view> accepted;
  std::string_view missing;  // "FEATURE not available in this version"
};

/// Keys of [acme] and [site.tls], and of [[site]] and [[site.route]], are one row: `acme|site.tls`.
const std::vector<Row>& rows() {
  static const std::vector<Row> table = {
      {"server.protocols", {"h1", "h2"}, "HTTP/3 is"},
      {"admin.metrics", {""}, "the metrics listener is"},
      {"admin.dashboard", {"false"}, "the status page is"},
      {"storage.kind", {"files"}, "storage in PostgreSQL is"},
      {"storage.url", {""}, "storage in PostgreSQL is"},
      {"acme|site.tls.challenges", {"tls-alpn-01", "http-01"}, "the DNS challenges are"},
      {"acme|site.tls.must_staple", {"false"}, "OCSP must-staple is"},
      {"acme|site.tls.renew_windows", {}, "renewal windows are"},
      {"acme|site.tls.preflight", {"auto", "off"}, "preflight checks are"},
      {"acme|site.tls.standby_ca", {""}, "a standby CA is"},
      {"acme|site.tls.propagation", {}, "the DNS challenges are"},
      {"acme.dns", {}, "the DNS challenges are"},
      {"certificate", {}, "certificates for other servers are"},
      {"hooks", {}, "hooks are"},
      {"docker", {"false"}, "sites from containers are"},
  };
  return table;
}

/// Whether `path` of a row names `pattern` itself.
bool names(std::string_view path, std::string_view pattern) {
  const std::size_t bar = path.find('|');
  if (bar == std::string_view::npos) return path == pattern;
  const std::string_view shorter = path.substr(0, bar);
  const std::string_view longer = path.substr(bar + 1);  // "site.tls.challenges"
  if (longer == pattern) return true;
  // What follows the longer table's name also follows the shorter one's.
  const std::size_t key = longer.find('.', longer.find('.') + 1);
  const std::string_view rest = longer.substr(key);
  return pattern.size() == shorter.size() + rest.size() && pattern.starts_with(shorter) &&
         pattern.ends_with(rest);
}

/// The row of the pattern, or of the nearest table around it.
const Row* row_of(std::string_view pattern) {
  while (true) {
    for (const Row& row : rows()) {
      if (names(row.path, pattern)) return &row;
    }
    const std::size_t dot = pattern.rfind('.');
    if (dot == std::string_view::npos) return nullptr;
    pattern = pattern.substr(0, dot);
  }
}

bool asks_for_nothing(const Row& row, const std::string& value) {
  return contains(row.accepted, value);
}

}  // namespace

std::string unavailable(const std::string& pattern, const Strings& values) {
  const Row* row = row_of(pattern);
  if (!row) return {};
  const bool fine = std::all_of(values.begin(), values.end(), [&](const std::string& value) {
    return asks_for_nothing(*row, value);
  });
  return fine ? "" : std::string(row->missing) + " not available in this version";
}

void check_available(Book& book) {
  std::unordered_map<std::string_view, const Row*> known;  // by pattern: few, however many keys
  std::vector<std::pair<std::string_view, const Presence*>> asked;  // by path
  for (const auto& [path, presence] : book.present()) {
    const auto [at, first] = known.try_emplace(presence.pattern, nullptr);
    if (first) at->second = row_of(presence.pattern);
    if (at->second != nullptr) asked.emplace_back(path, &presence);
  }
  std::sort(asked.begin(), asked.end());  // what stands below comes behind
  Strings refused;                        // paths: what stands below a refused one is told with it
  for (const auto& [path, presence] : asked) {
    const bool below =
        std::any_of(refused.begin(), refused.end(), [path = path](const std::string& above) {
          return path.starts_with(above) && path.size() > above.size() &&
                 (path[above.size()] == '.' || path[above.size()] == '[');
        });
    if (below || book.spoilt(std::string(path))) continue;
    const std::string why = unavailable(presence->pattern, presence->values());
    if (why.empty()) continue;
    refused.emplace_back(path);
    book.fail(presence->at, "'" + refused.back().substr(path.rfind('.') + 1) + "': " + why);
  }
}

}  // namespace gatehouse::config::detail
