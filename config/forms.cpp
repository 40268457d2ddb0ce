#include "config/detail/forms.hpp"

#include <algorithm>

namespace gatehouse::config::detail {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

}  // namespace

const std::string* text_of(const Node& node, const Ask& ask) {
  if (node.kind == Node::Kind::text) return &node.text;
  ask.fail(node, "must be a string, not " + std::string(name(node.kind)));
  return nullptr;
}

void Flag::read(const Node& node, bool& value, const Ask& ask) const {
  if (node.kind == Node::Kind::flag) {
    value = node.flag;
  } else {
    ask.fail(node, "must be true or false, not " + std::string(name(node.kind)));
  }
}

void Text::read(const Node& node, std::string& value, const Ask& ask) const {
  if (const auto* text = text_of(node, ask)) value = *text;
}

void Words::read(const Node& node, std::string& value, const Ask& ask) const {
  const auto* text = text_of(node, ask);
  if (text && text->empty()) return ask.fail(node, "must not be empty");
  if (text) value = *text;
}

void Checked::read(const Node& node, std::string& value, const Ask& ask) const {
  const auto* text = text_of(node, ask);
  if (!text) return;
  if (text->empty()) {
    if (empty == Empty::refused) return ask.fail(node, "must not be empty");
    value.clear();
    return;
  }
  auto parsed = parse(*text);
  if (!parsed) return ask.fail(node, parsed.error().detail());
  value = std::move(*parsed);
}

void Hidden::read(const Node& node, Secret& value, const Ask& ask) const {
  const auto* text = text_of(node, ask);
  if (!text) return;
  if (*text == redacted) {
    return ask.fail(node, "was redacted when this config was printed: write the secret itself");
  }
  if (parse && !text->empty()) {
    auto parsed = parse(*text);
    if (!parsed) return ask.fail(node, parsed.error().detail());
  }
  value.value = *text;
}

void Choice::read(const Node& node, std::string& value, const Ask& ask) const {
  const auto* text = text_of(node, ask);
  if (!text) return;
  if (std::find(words.begin(), words.end(), *text) == words.end()) {
    std::string near = did_you_mean(*text, words);
    if (near.empty()) near = "; one of: " + joined(words);
    return ask.fail(node, "cannot be '" + *text + "'" + near);
  }
  value = *text;
}

bool whole_number(const Node& node, std::int64_t least, std::int64_t most, std::int64_t& value,
                  const Ask& ask) {
  if (node.kind != Node::Kind::integer) {
    const bool real = node.kind == Node::Kind::real;
    ask.fail(node, "must be a whole number, not " +
                       (real ? write_number(node.real) : std::string(name(node.kind))));
    return false;
  }
  if (node.integer < least || node.integer > most) {
    ask.fail(node, "must be from " + std::to_string(least) + " to " + std::to_string(most) +
                       ", not " + std::to_string(node.integer));
    return false;
  }
  value = node.integer;
  return true;
}

void Span::read(const Node& node, Duration& value, const Ask& ask) const {
  if (node.kind == Node::Kind::integer) {
    return ask.fail(node, "must be a duration with its unit, like \"30s\" or \"5m\"");
  }
  const auto* text = text_of(node, ask);
  if (!text) return;
  const auto parsed = parse_duration(*text);
  if (!parsed) return ask.fail(node, parsed.error().detail());
  if (*parsed < least) return ask.fail(node, "must be at least " + write_duration(least));
  value = *parsed;
}

void Size::read(const Node& node, std::uint64_t& value, const Ask& ask) const {
  const auto take = [&](std::uint64_t bytes) {
    if (bytes < least || bytes > most) {
      return ask.fail(node, "must be from " + write_size(least) + " to " + write_size(most) +
                                ", not " + write_size(bytes));
    }
    value = bytes;
  };
  if (node.kind == Node::Kind::integer) {
    if (node.integer < 0) return ask.fail(node, "must not be negative");
    return take(static_cast<std::uint64_t>(node.integer));
  }
  if (node.kind != Node::Kind::text) {
    return ask.fail(node, "must be a size like \"64KiB\" or a number of bytes, not " +
                              std::string(name(node.kind)));
  }
  const auto parsed = parse_size(node.text);
  if (!parsed) return ask.fail(node, parsed.error().detail());
  take(*parsed);
}

std::string Size::write(std::uint64_t value) const {
  const std::string text = write_size(value);
  return text.ends_with('B') ? in_quotes(text) : text;
}

void RateForm::read(const Node& node, Rate& value, const Ask& ask) const {
  const auto* text = text_of(node, ask);
  if (!text) return;
  const auto parsed = parse_rate(*text);
  if (!parsed) return ask.fail(node, parsed.error().detail());
  value = *parsed;
}

void Share::read(const Node& node, double& value, const Ask& ask) const {
  const auto take = [&](double share) {
    if (share < least || share > most) {
      return ask.fail(node, "must be from " + write_number(least) + " to " + write_number(most) +
                                ", not " + write_number(share));
    }
    value = share;
  };
  if (node.kind == Node::Kind::integer || node.kind == Node::Kind::real) {
    const double number =
        node.kind == Node::Kind::real ? node.real : static_cast<double>(node.integer);
    if (!(number >= 0 && number <= 1)) return ask.fail(node, "must be from 0 to 1");
    return take(number);
  }
  const auto* text = text_of(node, ask);
  if (!text) return;
  const auto parsed = parse_share(*text);
  if (!parsed) return ask.fail(node, parsed.error().detail());
  take(*parsed);
}

void ListenForm::read(const Node& node, Listen& value, const Ask& ask) const {
  if (node.kind == Node::Kind::integer) {
    return ask.fail(node, "must be a string: write \":" + std::to_string(node.integer) + "\"");
  }
  const auto* text = text_of(node, ask);
  if (!text) return;
  auto parsed = parse_listen(*text);
  if (!parsed) return ask.fail(node, parsed.error().detail());
  value = std::move(*parsed);
  value.at = node.at;
}

void ServerForm::read(const Node& node, BackendServer& value, const Ask& ask) const {
  std::string address;
  if (node.kind == Node::Kind::table) {
    read_in_place(node, ask, [&](Visitor& v) {
      v.key("address", address, Words{});
      v.key("weight", value.weight, Count{1, 1000});
      v.key("backup", value.backup, Flag{});
      v.key("max_requests", value.max_requests, Count{});
    });
    if (!node.find("address")) ask.fail(node, "needs an 'address'");
    if (address.empty()) return;
  } else {
    const auto* text = text_of(node, ask);
    if (!text) return;
    address = *text;
  }
  auto parsed = parse_server(address);
  if (!parsed) return ask.fail(node, parsed.error().detail());
  parsed->weight = value.weight;
  parsed->backup = value.backup;
  parsed->max_requests = value.max_requests;
  value = std::move(*parsed);
  value.at = node.at;
}

std::string ServerForm::write(const BackendServer& value) const {
  if (value.weight == 1 && !value.backup && value.max_requests == 0) return in_quotes(value.text);
  std::string out = "{ address = " + in_quotes(value.text);
  if (value.weight != 1) out += ", weight = " + std::to_string(value.weight);
  if (value.backup) out += ", backup = true";
  if (value.max_requests) out += ", max_requests = " + std::to_string(value.max_requests);
  return out + " }";
}

void PairsForm::read(const Node& node, Pairs& value, const Ask& ask) const {
  if (node.kind != Node::Kind::table) {
    return ask.fail(node, "must be a table, not " + std::string(detail::name(node.kind)));
  }
  Pairs made;
  for (const Member& member : node.members) {
    const Ask inner = ask.entry(member.key);
    if (name) {
      const auto good = name(member.key);
      if (!good) ask.book.fail(member.at, "'" + member.key + "' " + good.error().detail());
    }
    std::string text;
    if (!member.value.broken) {
      Text{}.read(member.value, text, inner);
      const bool judged = parse && member.value.kind == Node::Kind::text;
      const auto good = judged ? parse(text) : Result<std::string>(std::string());
      if (!good) inner.fail(member.value, good.error().detail());
      if (text == redacted) {
        ask.book.warn(member.value.at, "'" + member.key +
                                           "' was redacted when this config was printed: write "
                                           "the value itself");
      }
    }
    made.emplace_back(member.key, std::move(text));
  }
  value = std::move(made);
}

std::string PairsForm::write(const Pairs& value) const {
  if (value.empty()) return "{}";
  std::string out;
  for (const auto& [key, text] : value) {
    out += (out.empty() ? "{ " : ", ") + quoted_key(key) + " = " + in_quotes(text);
  }
  return out + " }";
}

void UsersForm::read(const Node& node, Users& value, const Ask& ask) const {
  if (node.kind != Node::Kind::table) {
    return ask.fail(node, "must be a table of names and password hashes");
  }
  Users made;
  for (const Member& member : node.members) {
    const Ask inner = ask.entry(member.key);
    Secret hash;
    if (!member.value.broken) Hidden{parse_password_hash}.read(member.value, hash, inner);
    if (member.key.empty() || member.key.find(':') != std::string::npos) {
      ask.book.fail(member.at, "a user name is not empty and has no ':'");
    }
    made.emplace_back(member.key, std::move(hash));
  }
  value = std::move(made);
}

std::string UsersForm::write(const Users& value) const {
  Pairs hidden;
  for (const auto& [user, hash] : value) hidden.emplace_back(user, redacted);
  return PairsForm{}.write(hidden);
}

}  // namespace gatehouse::config::detail
