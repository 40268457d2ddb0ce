#include <algorithm>
#include <filesystem>
#include <set>

#include "config/detail/parse.hpp"
#include "core/base/contains.hpp"

namespace gatehouse::config::detail {
namespace {

bool has_wildcard(const std::string& path) {
  return path.find_first_of("*?[") != std::string::npos;
}

/// Reads included files into the root, depth first, each file once.
class Includer {
 public:
  Includer(Node& root, const Surroundings& around, Book& book)
      : root_(root), around_(around), book_(book) {}

  /// `value` of the key `include` of a file.
  void follow(const Node& value, const std::string& file) {
    under_way_.push_back(identity(file));
    if (value.kind == Node::Kind::text) {
      follow_one(value, file);
    } else if (value.kind == Node::Kind::list) {
      for (const Node& item : value.items) {
        if (item.kind == Node::Kind::text) follow_one(item, file);
      }
    }
    under_way_.pop_back();
  }

 private:
  static std::string identity(const std::string& file) {
    return std::filesystem::path(file).lexically_normal().string();
  }

  void follow_one(const Node& node, const std::string& file) {
    if (node.broken || node.text.empty()) return;
    const std::filesystem::path written = node.text;
    const std::string path = written.is_absolute()
                                 ? written.string()
                                 : (std::filesystem::path(file).parent_path() / written).string();
    if (!has_wildcard(path)) return open(node, path);
    std::vector<std::string> found = around_.glob(path);
    if (found.empty()) book_.warn(node.at, "include '" + node.text + "' matches no file");
    std::sort(found.begin(), found.end());
    for (const std::string& each : found) open(node, each);
  }

  void open(const Node& node, const std::string& path) {
    const std::string id = identity(path);
    if (contains(under_way_, id)) {
      return book_.fail(node.at, "'" + path + "' includes itself, by way of this line");
    }
    if (!seen_.insert(id).second) return;
    const auto text = around_.read_file(path);
    if (!text)
      return book_.fail(node.at,
                        "cannot read the included file '" + path + "'" + because(path, around_));
    if (const std::string why = too_large(text->size()); !why.empty()) {
      return book_.fail(node.at, "the included file '" + path + "' " + why);
    }
    book_.opened(path);
    auto included = parse_toml(*text, path, book_);
    if (!included) return;
    substitute(*included, around_, book_);
    if (const Member* include = included->find("include")) follow(include->value, path);
    for (Member& member : included->members) merge(member);
  }

  void merge(Member& member) {
    if (member.key == "include") return;
    if (member.key == "site" || member.key == "certificate") return append(member);
    if (member.key == "backend") return add_named(member);
    book_.fail(member.at, "'" + member.key +
                              "' stands only in the main file; an included file holds [[site]], "
                              "[backend.NAME] and [[certificate]]");
  }

  void append(Member& member) {
    Member* ours = root_.find(member.key);
    if (!ours || ours->value.kind != Node::Kind::list || member.value.kind != Node::Kind::list) {
      if (ours) return book_.fail(member.at, "write [[" + member.key + "]]");
      root_.members.push_back(std::move(member));
      return;
    }
    for (Node& item : member.value.items) ours->value.items.push_back(std::move(item));
  }

  void add_named(Member& member) {
    Member* ours = root_.find(member.key);
    if (!ours) {
      root_.members.push_back(std::move(member));
      return;
    }
    for (Member& named : member.value.members) {
      if (const Member* other = ours->value.find(named.key)) {
        book_.fail(named.at, "[backend." + named.key + "] is also defined at " +
                                 other->at.file.text() + ":" + std::to_string(other->at.line));
        continue;
      }
      ours->value.members.push_back(std::move(named));
    }
  }

  Node& root_;
  const Surroundings& around_;
  Book& book_;
  std::vector<std::string> under_way_;
  std::set<std::string> seen_;
};

}  // namespace

void merge_includes(Node& root, const std::string& file, const Surroundings& around, Book& book) {
  const Member* include = root.find("include");
  if (!include) return;
  const Node value = include->value;  // the root grows while its includes are followed
  Includer(root, around, book).follow(value, file);
}

}  // namespace gatehouse::config::detail
