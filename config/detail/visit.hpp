#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/detail/book.hpp"

/// One description of the language serves reading, printing and listing. A `describe(Visitor&, T&)`
/// names each key of a table once, with its field and its form; the visitor decides what is done.
namespace gatehouse::config::detail {

/// The way from the file to a key. Most keys have nothing wrong with them, so their paths are put
/// together only where somebody must be told. Lives on the stack, as what it leads through does.
struct Trail {
  enum class Kind : std::uint8_t { key, chosen, item };  // chosen: a name that the user gave
  const Trail* above = nullptr;                          // null: the file
  std::string_view name;
  std::size_t index = 0;  // of an item
  Kind kind = Kind::key;

  /// "site[0].hosts[1]"
  std::string path() const;
  /// The path without indices and with `*` for chosen names: "backend.*.policy".
  std::string pattern() const;
  /// The name that an item goes by is its list's.
  std::string key() const;
};

/// Which key is being read, for messages and for places.
struct Ask {
  Book& book;
  Trail at;

  /// "'KEY' WHY"
  void fail(const Node& node, std::string_view why) const;
  /// The same question about item `index` of a list. Not for longer than this one is there.
  Ask item(std::size_t index) const { return {book, {&at, {}, index, Trail::Kind::item}}; }
  /// About an entry of a table that is one value. Neither.
  Ask entry(std::string_view name) const { return {book, {&at, name}}; }
};

/// A key's value without its type.
class Field {
 public:
  virtual void read(const Node& node, const Ask& ask) = 0;
  virtual std::string write() const = 0;  // TOML; empty: absent

 protected:
  ~Field() = default;
};

class Visitor {
 public:
  enum class Task : std::uint8_t { reading, writing, listing };
  /// How a table is printed; reading takes either.
  enum class Shape : std::uint8_t { headed, in_line };
  using Inside = std::function<void(Visitor&)>;

  virtual ~Visitor() = default;
  Task task() const { return task_; }
  bool reading() const { return task_ == Task::reading; }

  template <class T, class Form>
  void key(std::string_view name, T& value, const Form& form) {
    struct Typed final : Field {
      Typed(T& v, const Form& f) : value(v), form(f) {}
      void read(const Node& node, const Ask& ask) override { form.read(node, value, ask); }
      std::string write() const override { return form.write(value); }
      T& value;
      const Form& form;
    } field(value, form);
    visit(name, field);
  }

  /// A table whose keys are merged over what `value` already holds.
  template <class T>
  void table(std::string_view name, T& value) {
    within(name, Shape::headed, [&value](Visitor& v) { describe(v, value); });
  }
  /// A small table: writing it replaces all of `value`.
  template <class T>
  void group(std::string_view name, T& value) {
    within(name, Shape::in_line, [&value](Visitor& v) {
      if (v.reading()) value = T();
      describe(v, value);
    });
  }
  template <class T>
  void maybe(std::string_view name, std::optional<T>& value) {
    if (task_ == Task::writing && !value) return;
    within(name, Shape::in_line, [&value](Visitor& v) {
      T sample;
      if (v.reading()) value.emplace();
      describe(v, v.task() == Task::listing ? sample : *value);
    });
  }
  template <class T>
  void named(std::string_view name, std::map<std::string, T>& all) {
    std::vector<std::string> names;
    for (const auto& [each_name, value] : all) names.push_back(each_name);
    each_named(name, names, [&all](const std::string& chosen, Visitor& v) {
      T sample;
      describe(v, v.task() == Task::listing ? sample : all[chosen]);
    });
  }
  template <class T>
  void list(std::string_view name, Shape shape, std::vector<T>& all) {
    if (reading() && written(name)) all.clear();  // a list replaces what was inherited
    each(name, shape, all.size(), [&all](std::size_t index, Visitor& v) {
      T sample;
      if (v.reading()) {
        all.emplace_back();
        index = all.size() - 1;
      }
      describe(v, v.task() == Task::listing ? sample : all[index]);
    });
  }

  virtual void within(std::string_view name, Shape shape, const Inside& inside) = 0;
  virtual void each(std::string_view name, Shape shape, std::size_t count,
                    const std::function<void(std::size_t, Visitor&)>& inside) = 0;
  virtual void each_named(std::string_view name, const std::vector<std::string>& names,
                          const std::function<void(const std::string&, Visitor&)>& inside) = 0;
  /// Everything in this table that no key() named.
  virtual void rest(std::map<std::string, Secret>& all) = 0;
  /// Where this table stands, when reading.
  virtual void locate(Position& at) const = 0;
  /// Whether this table's text has keys that nobody asked for so far, when reading.
  virtual bool any_left() const = 0;
  /// Whether this table's text has the key, when reading.
  virtual bool written(std::string_view name) const = 0;

 protected:
  explicit Visitor(Task task) : task_(task) {}
  virtual void visit(std::string_view name, Field& field) = 0;

 private:
  Task task_;
};

/// Reads a table that stands where a value may (a server of a backend).
void read_in_place(const Node& table, const Ask& ask, const Visitor::Inside& inside);
/// The same, written: `{ address = "…", weight = 2 }`.
std::string write_in_place(const Visitor::Inside& inside);

/// Fills `config` from the whole text.
void read(const Node& root, Config& config, Book& book);

/// The whole language.
void describe(Visitor& v, Config& config);

void describe(Visitor& v, Server& server);
void describe(Visitor& v, Timeouts& timeouts);
void describe(Visitor& v, Limits& limits);
void describe(Visitor& v, Admin& admin);
void describe(Visitor& v, Log& log);
void describe(Visitor& v, AccessFields& fields);
void describe(Visitor& v, Storage& storage);
void describe(Visitor& v, HookEvent& event);
void describe(Visitor& v, Docker& docker);
void describe(Visitor& v, Claim& claim);
void describe(Visitor& v, Certificate& certificate);
void describe(Visitor& v, Export& exported);
void describe(Visitor& v, Acme& acme);
void describe(Visitor& v, AcmeSettings& settings);
void describe(Visitor& v, RenewWindow& window);
void describe(Visitor& v, Propagation& propagation);
void describe(Visitor& v, Issuer& issuer);
void describe(Visitor& v, Eab& eab);
void describe(Visitor& v, OnDemand& on_demand);
void describe(Visitor& v, DnsProvider& provider);
void describe(Visitor& v, Backend& backend);
void describe(Visitor& v, Health& health);
void describe(Visitor& v, Eject& eject);
void describe(Visitor& v, BackendTls& tls);
void describe(Visitor& v, Site& site, Config& config);
void describe(Visitor& v, SiteTls& tls);
void describe(Visitor& v, ClientAuth& auth);
void describe(Visitor& v, Route& route, const Site& site, Config& config);
void describe(Visitor& v, RateLimit& limit);
void describe(Visitor& v, BasicAuth& auth);
void describe(Visitor& v, ForwardAuth& auth);
void describe(Visitor& v, Redirect& redirect);
void describe(Visitor& v, Respond& respond);
void describe(Visitor& v, Rewrite& rewrite);
void describe(Visitor& v, Files& files);

}  // namespace gatehouse::config::detail
