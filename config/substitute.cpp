#include "config/detail/parse.hpp"

namespace gatehouse::config::detail {
namespace {

/// What stands for `${inside}`; nothing after a problem was told.
std::optional<std::string> value_of(std::string_view inside, const Node& node,
                                    const Surroundings& around, Book& book) {
  constexpr std::string_view file = "file:";
  if (inside.starts_with(file)) {
    const std::string path(inside.substr(file.size()));
    auto content = around.read_file(path);
    if (!content) {
      book.fail(node.at,
                "cannot read '" + path + "' for ${file:" + path + "}" + because(path, around));
      return {};
    }
    if (const std::string why = too_large(content->size()); !why.empty()) {
      book.fail(node.at, "'" + path + "' for ${file:" + path + "} " + why);
      return {};
    }
    if (content->ends_with('\n')) content->pop_back();
    if (content->ends_with('\r')) content->pop_back();
    return content;
  }
  const std::size_t dash = inside.find(":-");
  const std::string name(inside.substr(0, dash));
  if (name.empty()) {
    book.fail(node.at, "'${}' names no variable; a literal '${' is written '$${'");
    return {};
  }
  auto value = around.environment(name);
  const bool has_default = dash != std::string_view::npos;
  if (has_default && (!value || value->empty())) return std::string(inside.substr(dash + 2));
  if (!value) {
    book.fail(node.at, "environment variable '" + name + "' is not set; ${" + name +
                           ":-default} gives a default");
  }
  return value;
}

void substitute_text(Node& node, const Surroundings& around, Book& book) {
  if (node.text.find("${") == std::string::npos) return;
  const std::string_view text = node.text;
  std::string made;
  bool expanded = false;
  for (std::size_t at = 0; at < text.size();) {
    if (text.substr(at).starts_with("$${")) {
      made += "${";
      at += 3;
      continue;
    }
    if (!text.substr(at).starts_with("${")) {
      made += text[at++];
      continue;
    }
    const std::size_t end = text.find('}', at);
    if (end == std::string_view::npos) {
      book.fail(node.at, "'${' without its '}'; a literal '${' is written '$${'");
      node.broken = true;
      return;
    }
    const auto value = value_of(text.substr(at + 2, end - at - 2), node, around, book);
    if (!value) {
      node.broken = true;
      return;
    }
    made += *value;
    expanded = true;
    at = end + 1;
  }
  node.text = std::move(made);
  if (expanded) book.expanded(node.text);
}

}  // namespace

void substitute(Node& node, const Surroundings& around, Book& book) {
  if (node.kind == Node::Kind::text) substitute_text(node, around, book);
  for (Node& item : node.items) substitute(item, around, book);
  for (Member& member : node.members) substitute(member.value, around, book);
}

}  // namespace gatehouse::config::detail
