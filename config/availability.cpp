// What this version has of the language. A later version deletes lines here.
#include <algorithm>

#include "config/detail/parse.hpp"
#include "config/detail/visit.hpp"
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

/// The rows by the keys that lead to them.
struct Branch {
  std::string_view key;
  const Row* row = nullptr;
  std::vector<Branch> below = {};

  const Branch* find(std::string_view wanted) const {
    const auto found = std::find_if(below.begin(), below.end(),
                                    [&](const Branch& each) { return each.key == wanted; });
    return found == below.end() ? nullptr : &*found;
  }
  Branch& at(std::string_view path) {
    const std::size_t dot = path.find('.');
    const std::string_view first = path.substr(0, dot);
    if (!find(first)) below.push_back({first});
    const auto next = std::find_if(below.begin(), below.end(),
                                   [&](const Branch& each) { return each.key == first; });
    return dot == std::string_view::npos ? *next : next->at(path.substr(dot + 1));
  }
};

const Branch& branches() {
  static const Branch root = [] {
    Branch made;
    for (const Row& row : rows()) {
      const std::size_t bar = row.path.find('|');
      const std::string_view longer = bar == std::string_view::npos ? row.path  //
                                                                    : row.path.substr(bar + 1);
      made.at(longer).row = &row;
      if (bar == std::string_view::npos) continue;
      made.at(row.path.substr(0, bar)).at(longer.substr(longer.rfind('.') + 1)).row = &row;
    }
    return made;
  }();
  return root;
}

/// The row of the pattern, or of the nearest table around it.
const Row* row_of(std::string_view pattern) {
  const Row* row = nullptr;
  for (const Branch* branch = &branches(); branch;) {
    if (branch->row) row = branch->row;
    const std::size_t dot = pattern.find('.');
    branch = branch->find(pattern.substr(0, dot));
    pattern = dot == std::string_view::npos ? std::string_view() : pattern.substr(dot + 1);
  }
  return row;
}

std::string why_refused(const Row& row, const Strings& values) {
  const bool fine = std::all_of(values.begin(), values.end(), [&](const std::string& value) {
    return contains(row.accepted, value);
  });
  return fine ? "" : std::string(row.missing) + " not available in this version";
}

/// What is written in `table` and below it. A refused key is told with all that stands below it.
void check_table(const Node& table, const Trail& at, const Branch& known, Book& book) {
  for (const Member& member : table.members) {
    const Branch* branch = known.find(member.key);
    if (!branch) continue;
    const Trail key{&at, member.key};
    if (branch->row) {
      const std::string why = why_refused(*branch->row, member.value.values());
      if (!why.empty() && !book.spoilt(key.path())) {
        book.fail(member.at, "'" + member.key + "': " + why);
      }
    } else if (member.value.kind == Node::Kind::table && member.key != "site") {
      check_table(member.value, key, *branch, book);
    } else if (member.value.kind == Node::Kind::list && member.key == "site") {
      for (std::size_t i = 0; i < member.value.items.size(); ++i) {
        check_table(member.value.items[i], {&key, {}, i, Trail::Kind::item}, *branch, book);
      }
    }
  }
}

}  // namespace

std::string unavailable(const std::string& pattern, const Strings& values) {
  const Row* row = row_of(pattern);
  return row ? why_refused(*row, values) : "";
}

void check_available(const Node& text, Book& book) { check_table(text, Trail(), branches(), book); }

}  // namespace gatehouse::config::detail
