#include "core/http/content_coding.hpp"

#include <optional>

#include "core/base/bytes.hpp"
#include "core/http/header_rules.hpp"

namespace gatehouse::http {
namespace {

constexpr std::array codings = {Coding::identity, Coding::gzip, Coding::br, Coding::zstd};

std::optional<Coding> coding_named(std::string_view text) {
  if (equal_ignoring_case(text, "x-gzip")) return Coding::gzip;  // RFC 9110 §8.4.1.3
  for (const Coding coding : codings) {
    if (equal_ignoring_case(text, name(coding))) return coding;
  }
  return {};
}

/// RFC 9110 §12.4.2: "0", "0.5", "1.000"; at most three digits.
std::optional<unsigned> weight_in(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return {};
  if (text.size() > 1 && text[1] != '.') return {};
  unsigned thousandths = text[0] == '1' ? 1000 : 0;
  unsigned unit = 100;
  for (const char c : text.substr(std::min<std::size_t>(text.size(), 2))) {
    if (c < '0' || c > '9') return {};
    thousandths += static_cast<unsigned>(c - '0') * unit;
    unit /= 10;
  }
  if (thousandths > 1000) return {};
  return thousandths;
}

/// What follows the coding: nothing, or one weight.
std::optional<unsigned> weight_after(std::string_view parameters) {
  parameters = trim(parameters);
  if (parameters.empty()) return 1000;
  if (parameters.size() < 2 || to_lower(parameters[0]) != 'q' || parameters[1] != '=') return {};
  return weight_in(parameters.substr(2));
}

/// What the lines of the field name, before what they do not name is settled.
struct Named {
  std::array<std::optional<unsigned>, codings.size()> weights;
  std::optional<unsigned> others;  // of "*"

  void take(std::string_view member) {
    const std::size_t semicolon = member.find(';');
    const std::string_view what = trim(member.substr(0, semicolon));
    const bool bare = semicolon == std::string_view::npos;
    const auto weight =
        bare ? std::optional<unsigned>(1000) : weight_after(member.substr(semicolon + 1));
    if (!weight) return;  // what cannot be read accepts nothing
    if (what == "*") others = weight;
    if (const auto coding = coding_named(what)) weights[static_cast<std::size_t>(*coding)] = weight;
  }
};

}  // namespace

std::string_view name(Coding coding) {
  switch (coding) {
    case Coding::identity:
      return "identity";
    case Coding::gzip:
      return "gzip";
    case Coding::br:
      return "br";
    case Coding::zstd:
      return "zstd";
  }
  return {};
}

AcceptedCodings AcceptedCodings::of(const Fields& request) {
  AcceptedCodings accepted;
  Named named;
  bool present = false;
  for (const Field& line : request) {
    if (!equal_ignoring_case(line.name, "Accept-Encoding")) continue;
    present = true;
    for_each_member(line.value, [&](std::string_view member) { named.take(member); });
  }
  if (!present) return accepted;
  constexpr unsigned wanted_least = 1;
  for (const Coding coding : codings) {
    const auto place = static_cast<std::size_t>(coding);
    const unsigned unnamed = coding == Coding::identity ? wanted_least : 0;
    accepted.weights_[place] = named.weights[place].value_or(named.others.value_or(unnamed));
  }
  return accepted;
}

Coding AcceptedCodings::best_of(std::span<const Coding> offered) const {
  Coding best = Coding::identity;
  unsigned best_weight = 0;
  for (const Coding coding : offered) {
    if (weight(coding) <= best_weight) continue;
    best = coding;
    best_weight = weight(coding);
  }
  return weight(Coding::identity) > best_weight ? Coding::identity : best;
}

}  // namespace gatehouse::http
