#include <algorithm>

#include "config/detail/forms.hpp"
#include "config/detail/parse.hpp"

namespace gatehouse::config {
namespace detail {
namespace {

/// Writes one table; headed tables below it come after its own keys, as TOML wants it.
class Writer final : public Visitor {
 public:
  Writer(std::string header, std::string pattern, bool in_line, Features features)
      : Visitor(Task::writing),
        header_(std::move(header)),
        pattern_(std::move(pattern)),
        in_line_(in_line),
        features_(features) {}

  /// Keys, then the tables below.
  std::string text() const { return keys_ + below_; }
  const std::string& keys() const { return keys_; }
  const std::string& below() const { return below_; }
  std::string in_line() const { return keys_.empty() ? "{}" : "{ " + keys_ + " }"; }

  void within(std::string_view name, Shape shape, const Inside& inside) override {
    const std::string pattern = extended(pattern_, name);
    if (shape == Shape::in_line || in_line_) {
      Writer table("", pattern, true, features_);
      inside(table);
      put(name, table.in_line());
      return;
    }
    add_headed("[" + extended(header_, name) + "]", extended(header_, name), pattern, inside);
  }

  void each(std::string_view name, Shape shape, std::size_t count,
            const std::function<void(std::size_t, Visitor&)>& inside) override {
    const std::string pattern = extended(pattern_, name);
    if (shape == Shape::in_line) {
      std::string out = "[";
      for (std::size_t i = 0; i < count; ++i) {
        Writer table("", pattern, true, features_);
        inside(i, table);
        out += (i ? ", " : "") + table.in_line();
      }
      put(name, out + "]");
      return;
    }
    for (std::size_t i = 0; i < count; ++i) {
      add_headed("[[" + extended(header_, name) + "]]", extended(header_, name), pattern,
                 [&](Visitor& v) { inside(i, v); });
    }
  }

  void each_named(std::string_view name, const std::vector<std::string>& names,
                  const std::function<void(const std::string&, Visitor&)>& inside) override {
    for (const std::string& chosen : names) {
      const std::string header = extended(header_, name) + "." + quoted_key(chosen);
      add_headed("[" + header + "]", header, extended(pattern_, name) + ".*",
                 [&](Visitor& v) { inside(chosen, v); });
    }
  }

  void rest(std::map<std::string, Secret>& all) override {
    for (const auto& [key, secret] : all) put(key, Hidden{}.write(secret));
  }
  void locate(Position&) const override {}
  bool any_left() const override { return false; }
  bool written(std::string_view) const override { return false; }

 protected:
  void visit(std::string_view name, Field& field) override {
    const std::string value = field.write();
    if (!value.empty()) put(name, value);
  }

 private:
  void put(std::string_view name, const std::string& value) {
    if (in_line_) {
      keys_ += (keys_.empty() ? "" : ", ") + quoted_key(name) + " = " + value;
      return;
    }
    const bool refused =
        features_ == Features::this_version && unavailable_text(extended(pattern_, name), value);
    keys_ += (refused ? "# " : "") + quoted_key(name) + " = " + value +
             (refused ? "  # not available in this version" : "") + "\n";
  }

  /// Whether this key with this value would be refused when read again.
  static bool unavailable_text(const std::string& pattern, const std::string& value) {
    Book book;
    const auto root = parse_toml("x = " + value + "\n", "", book);
    if (!root || root->members.empty()) return false;
    return !unavailable(pattern, root->members.front().value.values()).empty();
  }

  void add_headed(const std::string& title, std::string header, std::string pattern,
                  const Inside& inside) {
    Writer table(std::move(header), std::move(pattern), false, features_);
    inside(table);
    below_ += (table.keys().empty() && !title.starts_with("[[") ? "" : "\n" + title + "\n") +
              table.keys() + table.below();
  }

  std::string header_;
  std::string pattern_;
  bool in_line_;
  Features features_;
  std::string keys_;
  std::string below_;
};

/// Gathers the paths of all keys.
class Lister final : public Visitor {
 public:
  Lister(std::string pattern, Strings& keys)
      : Visitor(Task::listing), pattern_(std::move(pattern)), keys_(keys) {}

  void within(std::string_view name, Shape, const Inside& inside) override {
    Lister table(extended(pattern_, name), keys_);
    inside(table);
  }
  void each(std::string_view name, Shape, std::size_t,
            const std::function<void(std::size_t, Visitor&)>& inside) override {
    Lister table(extended(pattern_, name), keys_);
    inside(0, table);
  }
  void each_named(std::string_view name, const std::vector<std::string>&,
                  const std::function<void(const std::string&, Visitor&)>& inside) override {
    Lister table(extended(pattern_, name) + ".*", keys_);
    inside("*", table);
  }
  void rest(std::map<std::string, Secret>&) override {}
  void locate(Position&) const override {}
  bool any_left() const override { return false; }
  bool written(std::string_view) const override { return false; }

 protected:
  void visit(std::string_view name, Field&) override { keys_.push_back(extended(pattern_, name)); }

 private:
  std::string pattern_;
  Strings& keys_;
};

}  // namespace

std::string write_in_place(const Visitor::Inside& inside) {
  Writer writer("", "", true, Features::whole_language);
  inside(writer);
  return writer.in_line();
}

}  // namespace detail

std::string print(const Config& config, Features features) {
  detail::Writer writer("", "", false, features);
  Config copy = config;  // one description serves reading and writing, so it takes what it may fill
  detail::redact(copy);
  detail::describe(writer, copy);
  const std::string text = writer.text();
  return text.starts_with('\n') ? text.substr(1) : text;
}

std::vector<std::string> known_keys() {
  Strings keys;
  detail::Lister lister("", keys);
  Config sample;
  detail::describe(lister, sample);
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace gatehouse::config
