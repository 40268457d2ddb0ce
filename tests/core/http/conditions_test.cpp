#include "core/http/conditions.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/base/time_format.hpp"

namespace conditions_test {

using namespace gatehouse;
using namespace gatehouse::http;

namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

constexpr const char* before = "Sat, 21 Nov 2026 01:39:59 GMT";
constexpr const char* then = "Sat, 21 Nov 2026 01:40:00 GMT";
constexpr const char* after = "Sat, 21 Nov 2026 01:40:01 GMT";

Fields fields_of(const Lines& lines) {
  Fields fields;
  for (const auto& [name, value] : lines) fields.add_copy(name, value);
  return fields;
}

Validators validators(std::string_view tag, bool date_is_strong = true) {
  return {tag, parse_http_date(then).value(), date_is_strong};
}

}  // namespace

TEST_CASE("conditions are judged in the order of RFC 9110 §13.2.2") {
  struct Row {
    const char* what;
    Lines lines;
    Verdict verdict;
  };
  const std::vector<Row> rows = {
      {"none", {}, Verdict::go_on},
      {"If-Match names it", {{"If-Match", "\"x\", \"now\""}}, Verdict::go_on},
      {"If-Match names others", {{"If-Match", "\"x\", \"y\""}}, Verdict::failed},
      {"If-Match is strong", {{"If-Match", "W/\"now\""}}, Verdict::failed},
      {"If-Match any", {{"If-Match", "*"}}, Verdict::go_on},
      {"If-Match over two lines", {{"If-Match", "\"x\""}, {"if-match", "\"now\""}}, Verdict::go_on},
      {"If-Match that is no list", {{"If-Match", "now"}}, Verdict::failed},
      {"a comma inside a tag", {{"If-Match", "\"a,b\",\"now\""}}, Verdict::go_on},
      {"unmodified since then", {{"If-Unmodified-Since", then}}, Verdict::go_on},
      {"modified since before", {{"If-Unmodified-Since", before}}, Verdict::failed},
      {"If-Match outranks the date",
       {{"If-Match", "\"now\""}, {"If-Unmodified-Since", before}},
       Verdict::go_on},
      {"If-None-Match names it", {{"If-None-Match", "\"now\""}}, Verdict::not_modified},
      {"If-None-Match is weak", {{"If-None-Match", "W/\"now\""}}, Verdict::not_modified},
      {"If-None-Match names others", {{"If-None-Match", "\"x\""}}, Verdict::go_on},
      {"If-None-Match any", {{"If-None-Match", "*"}}, Verdict::not_modified},
      {"not modified since then", {{"If-Modified-Since", then}}, Verdict::not_modified},
      {"not modified since later", {{"If-Modified-Since", after}}, Verdict::not_modified},
      {"modified since", {{"If-Modified-Since", before}}, Verdict::go_on},
      {"If-None-Match outranks the date",
       {{"If-None-Match", "\"x\""}, {"If-Modified-Since", after}},
       Verdict::go_on},
      {"a date that is none", {{"If-Modified-Since", "yesterday"}}, Verdict::go_on},
      {"a date that is none, the other way", {{"If-Unmodified-Since", "0"}}, Verdict::go_on},
      {"both tags", {{"If-Match", "\"now\""}, {"If-None-Match", "\"now\""}}, Verdict::not_modified},
      {"a date in the form of RFC 850",
       {{"If-Modified-Since", "Saturday, 21-Nov-26 01:40:00 GMT"}},
       Verdict::not_modified},
      {"a date in the form of asctime()",
       {{"If-Modified-Since", "Sat Nov 21 01:39:59 2026"}},
       Verdict::go_on},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(judge_conditions(fields_of(row.lines), validators("\"now\"")) == row.verdict);
  }
}

TEST_CASE("ranges count only of the state that If-Range names") {
  const auto counts = [](const Lines& lines, const Validators& current) {
    return range_counts(fields_of(lines), current);
  };
  CHECK(counts({}, validators("\"now\"")));
  CHECK(counts({{"If-Range", "\"now\""}}, validators("\"now\"")));
  CHECK_FALSE(counts({{"If-Range", "\"old\""}}, validators("\"now\"")));
  CHECK_FALSE(counts({{"If-Range", "W/\"now\""}}, validators("W/\"now\"")));
  CHECK(counts({{"If-Range", then}}, validators("\"now\"")));
  CHECK_FALSE(counts({{"If-Range", after}}, validators("\"now\"")));
  CHECK_FALSE(counts({{"If-Range", then}}, validators("\"now\"", false)));
  CHECK_FALSE(counts({{"If-Range", "now"}}, validators("\"now\"")));
}

TEST_CASE("a list of tags that breaks off holds what stands before the break") {
  CHECK(lists_tag("\"a\", \"b\"", "\"b\""));
  CHECK(lists_tag("W/\"a\"", "\"a\""));
  CHECK(lists_tag("\"a\" junk", "\"a\""));
  CHECK_FALSE(lists_tag("junk \"a\"", "\"a\""));
  CHECK_FALSE(lists_tag("\"a", "\"a\""));
  CHECK_FALSE(lists_tag("", "\"a\""));
}

}  // namespace conditions_test
