#include "core/http/conditions.hpp"

#include <optional>

#include "core/base/bytes.hpp"
#include "core/base/time_format.hpp"
#include "core/http/header_rules.hpp"

namespace gatehouse::http {
namespace {

bool is_weak(std::string_view tag) { return tag.starts_with("W/"); }

/// The quoted part.
std::string_view opaque(std::string_view tag) { return is_weak(tag) ? tag.substr(2) : tag; }

/// The next entity tag of a list, taken off it; none: the list is over, or is none.
std::optional<std::string_view> take_tag(std::string_view& list) {
  const std::size_t begin = list.find_first_not_of(", \t");
  if (begin == std::string_view::npos) return {};
  list.remove_prefix(begin);
  const std::size_t quote = is_weak(list) ? 2 : 0;
  if (list.size() <= quote || list[quote] != '"') return {};
  const std::size_t end = list.find('"', quote + 1);
  if (end == std::string_view::npos) return {};
  const std::string_view tag = list.substr(0, end + 1);
  list.remove_prefix(end + 1);
  return tag;
}

enum class Compare : std::uint8_t { strong, weak };  // RFC 9110 §8.8.3.2

bool same(std::string_view a, std::string_view b, Compare how) {
  if (how == Compare::strong && (is_weak(a) || is_weak(b))) return false;
  return opaque(a) == opaque(b);
}

bool lists(std::string_view list, std::string_view tag, Compare how) {
  if (trim(list) == "*") return true;
  while (const auto listed = take_tag(list)) {
    if (same(*listed, tag, how)) return true;
  }
  return false;
}

/// Whether any line of that field lists the tag; none: there is no such line.
std::optional<bool> listed(const Fields& request, std::string_view name, std::string_view tag,
                           Compare how) {
  std::optional<bool> found;
  for (const Field& line : request) {
    if (!equal_ignoring_case(line.name, name)) continue;
    found = found.value_or(false) || lists(line.value, tag, how);
  }
  return found;
}

std::optional<Wall> date_of(const Fields& request, std::string_view name) {
  const auto value = request.find(name);
  if (!value) return {};
  const auto date = parse_http_date(*value);
  if (!date) return {};
  return *date;
}

}  // namespace

bool lists_tag(std::string_view list, std::string_view tag) {
  return lists(list, tag, Compare::weak);
}

Verdict judge_conditions(const Fields& request, const Validators& current) {
  if (const auto match = listed(request, "If-Match", current.tag, Compare::strong)) {
    if (!*match) return Verdict::failed;
  } else if (const auto since = date_of(request, "If-Unmodified-Since")) {
    if (current.modified > *since) return Verdict::failed;
  }
  if (const auto match = listed(request, "If-None-Match", current.tag, Compare::weak)) {
    return *match ? Verdict::not_modified : Verdict::go_on;
  }
  const auto since = date_of(request, "If-Modified-Since");
  return since && current.modified <= *since ? Verdict::not_modified : Verdict::go_on;
}

bool range_counts(const Fields& request, const Validators& current) {
  const auto value = request.find("If-Range");
  if (!value) return true;
  if (value->starts_with('"') || is_weak(*value)) {
    return same(*value, current.tag, Compare::strong);
  }
  const auto date = parse_http_date(*value);
  return date && current.date_is_strong && *date == current.modified;
}

}  // namespace gatehouse::http
