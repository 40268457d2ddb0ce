#include "proxy/serve/hsts.hpp"

#include <charconv>
#include <cstdint>

namespace gatehouse::serve {
namespace {

std::uint64_t seconds_of(std::string_view age) {
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(age.data(), age.data() + age.size(), number);
  const std::string_view unit = age.substr(static_cast<std::size_t>(end - age.data()));
  if (unit == "y") return number * 365 * 86'400;
  if (unit == "d") return number * 86'400;
  if (unit == "h") return number * 3'600;
  if (unit == "m") return number * 60;
  if (unit == "ms") return number / 1'000;
  return number;
}

}  // namespace

std::string hsts_value(std::string_view written) {
  if (written.empty()) return {};
  while (written.starts_with(' ')) written.remove_prefix(1);
  const std::size_t border = std::min(written.find_first_of("; "), written.size());
  std::string value = "max-age=" + std::to_string(seconds_of(written.substr(0, border)));
  value += written.substr(border);
  return value;
}

}  // namespace gatehouse::serve
