// Durations, sizes, rates, shares: numbers in strings.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>

#include "config/detail/words.hpp"

namespace gatehouse::config::detail {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t size;
};

constexpr std::array<Unit, 5> time_units = {
    {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
constexpr std::array<Unit, 9> size_units = {{{"B", 1},
                                             {"KiB", 1ULL << 10},
                                             {"MiB", 1ULL << 20},
                                             {"GiB", 1ULL << 30},
                                             {"TiB", 1ULL << 40},
                                             {"KB", 1'000},
                                             {"MB", 1'000'000},
                                             {"GB", 1'000'000'000},
                                             {"TB", 1'000'000'000'000}}};

/// Digits and a unit. Nothing when it is not that; more than `most` when it is more than that.
template <std::size_t N>
std::optional<std::uint64_t> counted(std::string_view text, const std::array<Unit, N>& units,
                                     std::uint64_t most) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0) return {};
  for (const Unit& known : units) {
    if (known.name != text.substr(digits)) continue;
    std::uint64_t number = 0;
    const auto failed = std::from_chars(text.data(), text.data() + digits, number).ec;
    if (failed != std::errc() || number > most / known.size) return most + 1;
    return number * known.size;
  }
  return {};
}

constexpr std::string_view too_long_span = "a duration is at most 3650d";

std::optional<double> decimal(std::string_view text) {
  double number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) {
    return {};
  }
  return number;
}

}  // namespace

Error wrong(std::string_view text, std::string_view wanted) {
  return Error(Fault::bad_message, Side::self,
               "cannot be '" + std::string(text.substr(0, 80)) + "': " + std::string(wanted));
}

std::string write_number(double number) {
  std::array<char, 64> room{};
  const auto end = std::to_chars(room.data(), room.data() + room.size(), number).ptr;
  return {room.data(), end};
}

Result<Duration> parse_duration(std::string_view text) {
  constexpr std::uint64_t ten_years = 3650ULL * 86'400'000;
  const auto span = counted(text, time_units, ten_years);
  if (!span) return wrong(text, "a duration is a number and ms, s, m, h or d, like \"30s\"");
  if (*span > ten_years) return wrong(text, too_long_span);
  return Duration(*span);
}

std::string write_duration(Duration span) {
  const auto ms = static_cast<std::uint64_t>(span.count());
  if (ms == 0) return "0s";
  for (auto unit = time_units.rbegin(); unit != time_units.rend(); ++unit) {
    if (ms % unit->size == 0) return std::to_string(ms / unit->size) + std::string(unit->name);
  }
  return "0s";
}

Result<std::uint64_t> parse_size(std::string_view text) {
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  const auto bytes = counted(text, size_units, most);
  if (!bytes) {
    return wrong(text, "a size is a number and B, KiB, MiB, GiB or TiB, like \"64KiB\"");
  }
  if (*bytes > most) return wrong(text, "a size is at most 8388607TiB");
  return *bytes;
}

std::string write_size(std::uint64_t bytes) {
  for (const std::size_t i : {4U, 3U, 2U, 1U}) {
    const Unit& unit = size_units[i];
    if (bytes && bytes % unit.size == 0) {
      return std::to_string(bytes / unit.size) + std::string(unit.name);
    }
  }
  return std::to_string(bytes);
}

Result<Rate> parse_rate(std::string_view text) {
  constexpr std::string_view wanted = "a rate is a number per span of time, like \"20/1m\"";
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return wrong(text, wanted);
  const std::string_view count = text.substr(0, slash);
  const bool number =
      !count.empty() && count.find_first_not_of("0123456789") == std::string_view::npos;
  const auto per = parse_duration(text.substr(slash + 1));
  if (!number) return wrong(text, wanted);
  if (!per) {
    const bool too_long = per.error().detail().ends_with(too_long_span);
    return wrong(text, too_long ? too_long_span : wanted);
  }
  Rate rate;
  const auto failed = std::from_chars(count.data(), count.data() + count.size(), rate.count).ec;
  if (failed != std::errc()) return wrong(text, "a rate is at most 4294967295 in a span of time");
  if (rate.count == 0) return wrong(text, "a rate is at least 1 in a span of time");
  if (*per == Duration(0)) return wrong(text, "the span of a rate is at least 1ms");
  rate.per = *per;
  return rate;
}

std::string write_rate(const Rate& rate) {
  return std::to_string(rate.count) + "/" + write_duration(rate.per);
}

Result<double> parse_share(std::string_view text) {
  std::optional<double> share;
  if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
    const auto above = decimal(text.substr(0, slash));
    const auto below = decimal(text.substr(slash + 1));
    if (above && below && *below != 0) share = *above / *below;
  } else if (text.ends_with('%')) {
    if (const auto percent = decimal(text.substr(0, text.size() - 1))) share = *percent / 100;
  } else {
    share = decimal(text);
  }
  if (!share) return wrong(text, "a share is like \"2/3\", \"0.5\" or \"50%\"");
  if (*share < 0 || *share > 1) return wrong(text, "a share is from 0 to 1");
  return *share;
}

std::string write_fraction(double share) {
  for (int below = 2; below <= 100; ++below) {
    const double above = std::round(share * below);
    if (above > 0 && above < below && above / below == share) {
      return std::to_string(static_cast<int>(above)) + "/" + std::to_string(below);
    }
  }
  return write_number(share);
}

std::string write_percent(double share) {
  const double percent = std::round(share * 100);
  return percent / 100 == share ? write_number(percent) + "%" : write_number(share);
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (octet < 0x20 || octet == 0x7F) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04X", octet);
      out += escaped.data();
    } else {
      out += c;
    }
    // What was substituted once must not be substituted again when this text is read.
    if (c == '$' && i + 1 < text.size() && text[i + 1] == '{') out += '$';
  }
  return out + "\"";
}

std::string quoted_key(std::string_view key) {
  constexpr std::string_view bare =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  const bool plain = !key.empty() && key.find_first_not_of(bare) == std::string_view::npos;
  return plain ? std::string(key) : in_quotes(key);
}

}  // namespace gatehouse::config::detail
