// The one door to the TOML library: its tree becomes nodes here, and nobody else sees it.
#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

#include "config/detail/parse.hpp"

namespace gatehouse::config::detail {
namespace {

Position place(const toml::source_region& region, const std::string& file) {
  return {file, region.begin.line, region.begin.column};
}

template <class T>
std::string printed(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

Node convert(const toml::node& from, const std::string& file) {
  Node node;
  node.at = place(from.source(), file);
  if (const auto* table = from.as_table()) {
    node.kind = Node::Kind::table;
    for (const auto& [key, value] : *table) {
      Position at = place(key.source(), file);
      node.members.push_back({std::string(key.str()), std::move(at), convert(value, file)});
    }
    // The library sorts by name; lists of headers and backends go by the text.
    std::stable_sort(node.members.begin(), node.members.end(),
                     [](const Member& a, const Member& b) {
                       return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
                     });
  } else if (const auto* list = from.as_array()) {
    node.kind = Node::Kind::list;
    for (const auto& item : *list) node.items.push_back(convert(item, file));
  } else if (const auto* text = from.as_string()) {
    node.kind = Node::Kind::text;
    node.text = text->get();
  } else if (const auto* integer = from.as_integer()) {
    node.kind = Node::Kind::integer;
    node.integer = integer->get();
  } else if (const auto* real = from.as_floating_point()) {
    node.kind = Node::Kind::real;
    node.real = real->get();
  } else if (const auto* flag = from.as_boolean()) {
    node.kind = Node::Kind::flag;
    node.flag = flag->get();
  } else {
    node.kind = Node::Kind::date;
    if (const auto* date = from.as_date()) node.text = printed(date->get());
    if (const auto* time = from.as_time()) node.text = printed(time->get());
    if (const auto* both = from.as_date_time()) node.text = printed(both->get());
  }
  return node;
}

}  // namespace

std::optional<Node> parse_toml(const std::string& text, const std::string& file, Book& book) {
  try {
    return convert(toml::parse(std::string_view(text)), file);
  } catch (const toml::parse_error& error) {
    std::string why(error.description());
    constexpr std::string_view opening = "Error while parsing ";
    if (why.starts_with(opening)) why = "in " + why.substr(opening.size());
    book.fail(place(error.source(), file), "not valid TOML: " + why);
    return {};
  }
}

}  // namespace gatehouse::config::detail
