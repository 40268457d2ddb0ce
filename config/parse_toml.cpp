// The one door to the TOML library: its tree becomes nodes here, and nobody else sees it.
#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

#include "config/detail/parse.hpp"

namespace gatehouse::config::detail {
namespace {

Position place(const toml::source_region& region, const FileName& file) {
  return {file, region.begin.line, region.begin.column};
}

template <class T>
std::string printed(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

Node convert(const toml::node& from, const FileName& file) {
  Node node;
  node.at = place(from.source(), file);
  if (const auto* table = from.as_table()) {
    node.kind = Node::Kind::table;
    node.members.reserve(table->size());
    for (const auto& [key, value] : *table) {
      Position at = place(key.source(), file);
      node.members.push_back({std::string(key.str()), std::move(at), convert(value, file)});
    }
    // The library sorts by name; lists of headers and backends go by the text.
    const auto earlier = [](const Member& a, const Member& b) {
      return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
    };
    if (!std::is_sorted(node.members.begin(), node.members.end(), earlier)) {
      std::stable_sort(node.members.begin(), node.members.end(), earlier);
    }
  } else if (const auto* list = from.as_array()) {
    node.kind = Node::Kind::list;
    node.items.reserve(list->size());
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

/// The name in "cannot redefine existing table 'server' …".
std::string quoted_part(std::string_view text) {
  const std::size_t begin = text.find('\'');
  const std::size_t end = text.find('\'', begin + 1);
  if (end == std::string_view::npos) return {};
  return std::string(text.substr(begin + 1, end - begin - 1));
}

/// Whether `at` is past the last character of its line.
bool at_line_end(std::string_view text, const toml::source_position& at) {
  for (toml::source_index line = 1; line < at.line; ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find_first_of("\r\n"));
  const auto begins = [](char c) { return (c & 0xC0) != 0x80; };  // a character of UTF-8
  return at.column > std::count_if(text.begin(), text.end(), begins);
}

/// What the library found, and the way out where it is a common mistake.
std::string in_plain_words(const toml::parse_error& error, std::string_view text) {
  std::string why(error.description());
  constexpr std::string_view opening = "Error while parsing ";
  if (why.starts_with(opening)) why = "in " + why.substr(opening.size());
  const auto says = [&](std::string_view words) { return why.find(words) != std::string::npos; };
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    return "this is UTF-16: save the file as UTF-8";
  }
  if (says("invalid utf-8")) return "this is not UTF-8: save the file as UTF-8";
  if (says("in string: unescaped control") && at_line_end(text, error.source().begin)) {
    return "the string has no closing quote on its line";
  }
  if (says("could not determine value type")) {
    return "no value begins like this: a string stands in quotes, like \"a.example.com\"";
  }
  if (says("expected '='")) return why + "; a line is KEY = VALUE, [TABLE] or [[LIST]]";
  if (says("cannot redefine existing")) {
    const std::string name = quoted_part(why);
    if (says("as array-of-tables")) {
      return "'" + name + "' was a table before: write [[" + name + "]] there, too";
    }
    if (says("in table header")) {
      return "[" + name + "] stands here for the second time: put its keys together";
    }
    return "'" + name + "' is written twice in this table";
  }
  return why;
}

}  // namespace

std::optional<Node> parse_toml(const std::string& text, const std::string& file, Book& book) {
  try {
    return convert(toml::parse(std::string_view(text)), file);
  } catch (const toml::parse_error& error) {
    book.fail(place(error.source(), file), "not valid TOML: " + in_plain_words(error, text));
    return {};
  }
}

}  // namespace gatehouse::config::detail
