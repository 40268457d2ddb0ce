#include <algorithm>

#include "config/detail/visit.hpp"
#include "core/base/contains.hpp"

namespace gatehouse::config::detail {
namespace {

std::string indexed(const std::string& path, std::size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

/// "; it is a key of [admin]" for a key that is right in another place.
std::string elsewhere(const std::string& key) {
  Strings places;
  for (const std::string& known : known_keys()) {
    const std::size_t dot = known.rfind('.');
    if (known.substr(dot == std::string::npos ? 0 : dot + 1) != key) continue;
    std::string table = dot == std::string::npos ? "" : known.substr(0, dot);
    if (table.find('*') != std::string::npos) continue;  // named by the user
    const bool list = table == "site" || table == "site.route" || table == "certificate";
    places.push_back(table.empty() ? "the top, above the first table"
                                   : (list ? "[[" + table + "]]" : "[" + table + "]"));
  }
  if (places.empty() || places.size() > 2) return {};
  return "; it is a key of " + places[0] + (places.size() > 1 ? " and " + places[1] : "");
}

/// Reads one table; when it goes, keys that nobody asked for are unknown.
class Reader final : public Visitor {
 public:
  Reader(const Node& table, Book& book, std::string path, std::string pattern, std::string title)
      : Visitor(Task::reading),
        table_(table),
        book_(book),
        path_(std::move(path)),
        pattern_(std::move(pattern)),
        title_(std::move(title)) {}

  void finish() const {
    if (takes_rest_) return;
    for (const Member& member : table_.members) {
      if (was_asked(member.key)) continue;
      Strings known(asked_.begin(), asked_.end());
      std::sort(known.begin(), known.end());
      std::string hint = did_you_mean(member.key, known);
      if (hint.empty()) hint = elsewhere(member.key);
      book_.fail(member.at, "unknown key '" + member.key + "' in " + title_ + hint);
    }
  }

  void within(std::string_view name, Shape shape, const Inside& inside) override {
    const Member* member = take(name);
    if (!member) return;
    descend(member->value, extended(path_, name), extended(pattern_, name),
            title_of(name, shape, false), inside);
  }

  void each(std::string_view name, Shape shape, std::size_t,
            const std::function<void(std::size_t, Visitor&)>& inside) override {
    const Member* member = take(name);
    if (!member) return;
    const Node& list = member->value;
    if (list.kind != Node::Kind::list) {
      const std::string example = shape == Shape::headed
                                      ? "write [[" + extended(pattern_, name) + "]]"
                                      : "write " + std::string(name) + " = [{ ... }]";
      book_.fail(member->at, "'" + std::string(name) + "' must be a list of tables: " + example);
      return;
    }
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      const std::string path = indexed(extended(path_, name), i);
      book_.note_item(path, list.items[i].at);
      descend(list.items[i], path, extended(pattern_, name), title_of(name, shape, true),
              [&](Visitor& v) { inside(i, v); });
    }
  }

  void each_named(std::string_view name, const std::vector<std::string>&,
                  const std::function<void(const std::string&, Visitor&)>& inside) override {
    const Member* member = take(name);
    if (!member) return;
    const std::string path = extended(path_, name);
    const std::string pattern = extended(pattern_, name);
    if (member->value.kind != Node::Kind::table) {
      book_.fail(member->at, "'" + std::string(name) + "' must be tables with names: write [" +
                                 pattern + ".NAME]");
      return;
    }
    for (const Member& chosen : member->value.members) {
      const std::string inner = extended(path, chosen.key);
      book_.note(inner, pattern + ".*", chosen.value, chosen.at);
      if (chosen.key.empty()) book_.fail(chosen.at, "[" + pattern + ".NAME] needs a name");
      descend(chosen.value, inner, pattern + ".*",
              "[" + pattern + "." + quoted_name(chosen.key) + "]",
              [&](Visitor& v) { inside(chosen.key, v); });
    }
  }

  void rest(std::map<std::string, Secret>& all) override {
    takes_rest_ = true;
    for (const Member& member : table_.members) {
      if (was_asked(member.key) || member.value.broken) continue;
      const std::string path = extended(path_, member.key);
      book_.note(path, extended(pattern_, member.key), member.value, member.at);
      if (member.value.kind != Node::Kind::text) {
        book_.fail(member.value.at, "'" + member.key + "' must be a string, not " +
                                        std::string(name(member.value.kind)));
        continue;
      }
      all[member.key].value = member.value.text;
    }
  }

  void locate(Position& at) const override { at = table_.at; }
  bool written(std::string_view name) const override { return table_.find(name) != nullptr; }
  const std::string& path() const override { return path_; }

 protected:
  void visit(std::string_view name, Field& field) override {
    const Member* member = take(name);
    if (!member || member->value.broken) return;
    field.read(member->value,
               {book_, std::string(name), extended(path_, name), extended(pattern_, name)});
  }

 private:
  static std::string quoted_name(const std::string& text) {
    return text.find_first_of(". \"") == std::string::npos ? text : "\"" + text + "\"";
  }

  bool was_asked(std::string_view key) const { return contains(asked_, key); }

  const Member* take(std::string_view name) {
    asked_.push_back(name);
    const Member* member = table_.find(name);
    if (member) {
      book_.note(extended(path_, name), extended(pattern_, name), member->value, member->at);
    }
    return member;
  }

  std::string title_of(std::string_view name, Shape shape, bool list) const {
    if (shape == Shape::in_line) return "'" + std::string(name) + "'";
    const std::string inner = extended(pattern_, name);
    return list ? "[[" + inner + "]]" : "[" + inner + "]";
  }

  void descend(const Node& node, std::string path, std::string pattern, std::string title,
               const Inside& inside) {
    if (node.kind != Node::Kind::table) {
      if (!node.broken) {
        const bool in_line = title.starts_with('\'');
        const std::string example =
            in_line ? ": write " + title.substr(1, title.size() - 2) + " = { ... }" : "";
        book_.fail(node.at,
                   title + " must be a table, not " + std::string(name(node.kind)) + example);
      }
      return;
    }
    Reader reader(node, book_, std::move(path), std::move(pattern), std::move(title));
    inside(reader);
    reader.finish();
  }

  const Node& table_;
  Book& book_;
  std::string path_;
  std::string pattern_;
  std::string title_;
  std::vector<std::string_view> asked_;  // the names are literals of the descriptions
  bool takes_rest_ = false;
};

}  // namespace

void Ask::fail(const Node& node, std::string_view why) const {
  book.fail(node.at, "'" + key + "' " + std::string(why));
  book.spoil(path);
}

Ask Ask::item(std::size_t index, const Node& node) const {
  Ask inner{book, key, indexed(path, index), pattern};
  book.note_item(inner.path, node.at);
  return inner;
}

void read_in_place(const Node& table, const Ask& ask, const Visitor::Inside& inside) {
  Reader reader(table, ask.book, ask.path, ask.pattern, "'" + ask.key + "'");
  inside(reader);
  reader.finish();
}

void read(const Node& root, Config& config, Book& book) {
  Reader reader(root, book, "", "", "the file");
  describe(reader, config);
  reader.finish();
}

}  // namespace gatehouse::config::detail
