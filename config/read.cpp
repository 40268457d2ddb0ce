#include <algorithm>

#include "config/detail/visit.hpp"
#include "core/base/contains.hpp"

namespace gatehouse::config::detail {
namespace {

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

/// What messages call a table: 'name' in its place, [table], [[list of tables]], [table.NAME].
enum class Title : std::uint8_t { file, in_line, table, list, chosen };

std::string title_of(const Trail& at, Title title) {
  switch (title) {
    case Title::file:
      return "the file";
    case Title::in_line:
      return "'" + at.key() + "'";
    case Title::table:
      return "[" + at.pattern() + "]";
    case Title::list:
      return "[[" + at.pattern() + "]]";
    case Title::chosen: {
      const std::string name(at.name);
      const bool plain = name.find_first_of(". \"") == std::string::npos;
      return "[" + at.above->pattern() + "." + (plain ? name : "\"" + name + "\"") + "]";
    }
  }
  return {};
}

/// Reads one table; when it goes, keys that nobody asked for are unknown.
class Reader final : public Visitor {
 public:
  Reader(const Node& table, Book& book, const Trail& at, Title title)
      : Visitor(Task::reading), table_(table), book_(book), at_(at), title_(title) {
    constexpr std::size_t keys_of_a_site = 40;
    asked_.reserve(keys_of_a_site);
  }

  void finish() const {
    if (takes_rest_) return;
    for (const Member& member : table_.members) {
      if (was_asked(member.key)) continue;
      Strings known(asked_.begin(), asked_.end());
      std::sort(known.begin(), known.end());
      std::string hint = did_you_mean(member.key, known);
      if (hint.empty()) hint = elsewhere(member.key);
      book_.fail(member.at, "unknown key '" + member.key + "' in " + title_of(at_, title_) + hint);
    }
  }

  void within(std::string_view name, Shape shape, const Inside& inside) override {
    const Member* member = take(name);
    if (!member) return;
    descend(member->value, {&at_, name}, shape == Shape::in_line ? Title::in_line : Title::table,
            inside);
  }

  void each(std::string_view name, Shape shape, std::size_t,
            const std::function<void(std::size_t, Visitor&)>& inside) override {
    const Member* member = take(name);
    if (!member) return;
    const Node& list = member->value;
    const Trail at{&at_, name};
    if (list.kind != Node::Kind::list) {
      const std::string example = shape == Shape::headed
                                      ? "write " + title_of(at, Title::list)
                                      : "write " + std::string(name) + " = [{ ... }]";
      book_.fail(member->at, "'" + std::string(name) + "' must be a list of tables: " + example);
      return;
    }
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      descend(list.items[i], {&at, {}, i, Trail::Kind::item},
              shape == Shape::in_line ? Title::in_line : Title::list,
              [&](Visitor& v) { inside(i, v); });
    }
  }

  void each_named(std::string_view name, const std::vector<std::string>&,
                  const std::function<void(const std::string&, Visitor&)>& inside) override {
    const Member* member = take(name);
    if (!member) return;
    const Trail at{&at_, name};
    if (member->value.kind != Node::Kind::table) {
      book_.fail(member->at, "'" + std::string(name) + "' must be tables with names: write [" +
                                 at.pattern() + ".NAME]");
      return;
    }
    for (const Member& chosen : member->value.members) {
      if (chosen.key.empty()) book_.fail(chosen.at, "[" + at.pattern() + ".NAME] needs a name");
      descend(chosen.value, {&at, chosen.key, 0, Trail::Kind::chosen}, Title::chosen,
              [&](Visitor& v) { inside(chosen.key, v); });
    }
  }

  void rest(std::map<std::string, Secret>& all) override {
    takes_rest_ = true;
    for (const Member& member : table_.members) {
      if (was_asked(member.key) || member.value.broken) continue;
      if (member.value.kind != Node::Kind::text) {
        book_.fail(member.value.at, "'" + member.key + "' must be a string, not " +
                                        std::string(name(member.value.kind)));
        continue;
      }
      all[member.key].value = member.value.text;
    }
  }

  void locate(Position& at) const override { at = table_.at; }
  bool any_left() const override {
    const auto asked = [this](const Member& member) { return was_asked(member.key); };
    return !std::all_of(table_.members.begin(), table_.members.end(), asked);
  }
  bool written(std::string_view name) const override { return table_.find(name) != nullptr; }

 protected:
  void visit(std::string_view name, Field& field) override {
    const Member* member = take(name);
    if (!member || member->value.broken) return;
    field.read(member->value, {book_, {&at_, name}});
  }

 private:
  bool was_asked(std::string_view key) const { return contains(asked_, key); }

  const Member* take(std::string_view name) {
    asked_.push_back(name);
    return table_.find(name);
  }

  void descend(const Node& node, const Trail& at, Title title, const Inside& inside) {
    if (node.kind != Node::Kind::table) {
      if (!node.broken) {
        const std::string example =
            title == Title::in_line ? ": write " + at.key() + " = { ... }" : "";
        book_.fail(node.at, title_of(at, title) + " must be a table, not " +
                                std::string(name(node.kind)) + example);
      }
      return;
    }
    Reader reader(node, book_, at, title);
    inside(reader);
    reader.finish();
  }

  const Node& table_;
  Book& book_;
  const Trail& at_;
  Title title_;
  std::vector<std::string_view> asked_;  // the names are literals of the descriptions
  bool takes_rest_ = false;
};

}  // namespace

void Ask::fail(const Node& node, std::string_view why) const {
  book.fail(node.at, "'" + at.key() + "' " + std::string(why));
  book.spoil(at.path());
}

std::string Trail::path() const {
  if (!above) return {};
  if (kind == Kind::item) return above->path() + "[" + std::to_string(index) + "]";
  return extended(above->path(), name);
}

std::string Trail::pattern() const {
  if (!above) return {};
  if (kind == Kind::item) return above->pattern();
  return extended(above->pattern(), kind == Kind::chosen ? "*" : name);
}

std::string Trail::key() const { return kind == Kind::item ? above->key() : std::string(name); }

void read_in_place(const Node& table, const Ask& ask, const Visitor::Inside& inside) {
  Reader reader(table, ask.book, ask.at, Title::in_line);
  inside(reader);
  reader.finish();
}

void read(const Node& root, Config& config, Book& book) {
  book.about(root);
  const Trail file;
  Reader reader(root, book, file, Title::file);
  describe(reader, config);
  reader.finish();
}

}  // namespace gatehouse::config::detail
