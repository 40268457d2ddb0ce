// Conditions and dates of a request: a line of input is a field, its first octet says which.

#include <array>
#include <cstdint>
#include <string_view>

#include "core/base/time_format.hpp"
#include "core/http/conditions.hpp"

using namespace gatehouse;
using namespace gatehouse::http;

namespace {

constexpr std::array<std::string_view, 5> names = {"If-Match", "If-None-Match", "If-Modified-Since",
                                                   "If-Unmodified-Since", "If-Range"};

void require(bool holds) {
  if (!holds) __builtin_trap();
}

/// What can be read is written and read again as the same moment.
void check_date(std::string_view text) {
  const auto date = parse_http_date(text);
  if (!date) return;
  const auto again = parse_http_date(http_date(*date));
  require(again && *again == *date);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Fields fields;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty()) continue;
    fields.add(names[static_cast<unsigned char>(line[0]) % names.size()], line.substr(1));
    check_date(line.substr(1));
  }
  const Validators current{"\"abc\"", parse_http_date("Sat, 21 Nov 2026 01:40:00 GMT").value(),
                           true};
  const Verdict verdict = judge_conditions(fields, current);
  if (verdict == Verdict::failed) {
    require(fields.find("If-Match") || fields.find("If-Unmodified-Since"));
  }
  if (verdict == Verdict::not_modified) {
    require(fields.find("If-None-Match") || fields.find("If-Modified-Since"));
  }
  require(range_counts(fields, current) || fields.find("If-Range"));
  return 0;
}
