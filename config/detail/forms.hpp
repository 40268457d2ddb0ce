#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/detail/visit.hpp"
#include "config/detail/words.hpp"

/// How values of each type are written in the text. A form reads a node into its field, or tells
/// why not and leaves the default; and writes the field back as TOML.
namespace gatehouse::config::detail {

/// The text of a string node; tells when it is something else.
const std::string* text_of(const Node& node, const Ask& ask);

struct Flag {
  void read(const Node& node, bool& value, const Ask& ask) const;
  std::string write(bool value) const { return value ? "true" : "false"; }
};

struct Text {
  void read(const Node& node, std::string& value, const Ask& ask) const;
  std::string write(const std::string& value) const { return in_quotes(value); }
};

/// A string that must not be empty.
struct Words {
  void read(const Node& node, std::string& value, const Ask& ask) const;
  std::string write(const std::string& value) const { return in_quotes(value); }
};

enum class Empty : std::uint8_t { refused, allowed };

/// A string with a grammar of its own.
struct Checked {
  Result<std::string> (*parse)(std::string_view);
  Empty empty = Empty::refused;

  void read(const Node& node, std::string& value, const Ask& ask) const;
  std::string write(const std::string& value) const { return in_quotes(value); }
};

/// A string that is never printed; its grammar, where it has one.
struct Hidden {
  Result<std::string> (*parse)(std::string_view) = nullptr;

  void read(const Node& node, Secret& value, const Ask& ask) const;
  std::string write(const Secret& value) const { return in_quotes(value.empty() ? "" : redacted); }
};

struct Choice {
  std::vector<std::string> words;

  void read(const Node& node, std::string& value, const Ask& ask) const;
  std::string write(const std::string& value) const { return in_quotes(value); }
};

template <class E>
struct Named {
  std::vector<std::pair<std::string, E>> words;

  void read(const Node& node, E& value, const Ask& ask) const {
    const auto* text = text_of(node, ask);
    if (!text) return;
    for (const auto& [word, meaning] : words) {
      if (word != *text) continue;
      value = meaning;
      return;
    }
    Choice choice;
    for (const auto& [word, meaning] : words) choice.words.push_back(word);
    std::string none;
    choice.read(node, none, ask);  // tells what it cannot be
  }
  std::string write(const E& value) const {
    for (const auto& [word, meaning] : words) {
      if (meaning == value) return in_quotes(word);
    }
    return "\"\"";
  }
};

/// Whole number of a node within bounds; tells when it is not.
bool whole_number(const Node& node, std::int64_t least, std::int64_t most, std::int64_t& value,
                  const Ask& ask);

struct Count {
  std::int64_t least = 0;
  std::int64_t most = std::numeric_limits<std::int32_t>::max();

  template <class T>
  void read(const Node& node, T& value, const Ask& ask) const {
    std::int64_t number = 0;
    if (whole_number(node, least, most, number, ask)) value = static_cast<T>(number);
  }
  template <class T>
  std::string write(const T& value) const {
    return std::to_string(value);
  }
};

/// A number that may be absent.
struct MaybeCount {
  std::int64_t least;
  std::int64_t most;

  void read(const Node& node, std::optional<int>& value, const Ask& ask) const {
    std::int64_t number = 0;
    if (whole_number(node, least, most, number, ask)) value = static_cast<int>(number);
  }
  std::string write(const std::optional<int>& value) const {
    return value ? std::to_string(*value) : "";
  }
};

struct Span {
  Duration least{0};

  void read(const Node& node, Duration& value, const Ask& ask) const;
  std::string write(Duration value) const { return in_quotes(write_duration(value)); }
};

struct Size {
  std::uint64_t least = 0;
  std::uint64_t most = std::numeric_limits<std::int64_t>::max();

  void read(const Node& node, std::uint64_t& value, const Ask& ask) const;
  std::string write(std::uint64_t value) const;
};

struct RateForm {
  void read(const Node& node, Rate& value, const Ask& ask) const;
  std::string write(const Rate& value) const { return in_quotes(write_rate(value)); }
};

struct Share {
  enum class As : std::uint8_t { fraction, percent } as;
  double least = 0;
  double most = 1;

  void read(const Node& node, double& value, const Ask& ask) const;
  std::string write(double value) const {
    return in_quotes(as == As::fraction ? write_fraction(value) : write_percent(value));
  }
};

struct ListenForm {
  void read(const Node& node, Listen& value, const Ask& ask) const;
  std::string write(const Listen& value) const { return in_quotes(value.text); }
};

/// A server of a backend: a string, or `{ address = …, weight = … }`.
struct ServerForm {
  void read(const Node& node, BackendServer& value, const Ask& ask) const;
  std::string write(const BackendServer& value) const;
};

/// A table of strings in the order of the text; `name` judges the keys.
struct PairsForm {
  Result<std::string> (*name)(std::string_view) = nullptr;
  Result<std::string> (*parse)(std::string_view) = nullptr;

  void read(const Node& node, Pairs& value, const Ask& ask) const;
  std::string write(const Pairs& value) const;
};

struct UsersForm {
  using Users = std::vector<std::pair<std::string, Secret>>;
  void read(const Node& node, Users& value, const Ask& ask) const;
  std::string write(const Users& value) const;
};

/// A list; a single value is a list of one.
template <class Form>
struct List {
  Form item;
  Empty empty = Empty::allowed;

  template <class T>
  void read(const Node& node, std::vector<T>& value, const Ask& ask) const {
    std::vector<T> made;
    if (node.kind != Node::Kind::list) {
      item.read(node, made.emplace_back(), ask);
    } else {
      if (node.items.empty() && empty == Empty::refused) ask.fail(node, "must not be empty");
      for (std::size_t i = 0; i < node.items.size(); ++i) {
        made.emplace_back();
        if (!node.items[i].broken) item.read(node.items[i], made.back(), ask.item(i));
      }
    }
    value = std::move(made);
  }
  template <class T>
  std::string write(const std::vector<T>& value) const {
    std::string out = "[";
    for (const T& each : value) out += (out.size() > 1 ? ", " : "") + item.write(each);
    return out + "]";
  }
};
template <class Form>
List(Form) -> List<Form>;
template <class Form>
List(Form, Empty) -> List<Form>;

/// A list that may be absent, which is not the same as empty.
template <class Form>
struct MaybeList {
  Form item;

  template <class T>
  void read(const Node& node, std::optional<std::vector<T>>& value, const Ask& ask) const {
    List<Form>{item}.read(node, value.emplace(), ask);
  }
  template <class T>
  std::string write(const std::optional<std::vector<T>>& value) const {
    return value ? List<Form>{item}.write(*value) : "";
  }
};
template <class Form>
MaybeList(Form) -> MaybeList<Form>;

}  // namespace gatehouse::config::detail
