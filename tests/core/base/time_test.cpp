#include <doctest/doctest.h>

#include "core/base/time_format.hpp"

namespace time_test {

using namespace gatehouse;
using namespace std::chrono_literals;

TEST_CASE("RFC 3339 goes both ways, with fractions and offsets") {
  const Wall when = Wall(std::chrono::seconds(1'700'000'000));
  CHECK(rfc3339(when + 123456us) == "2023-11-14T22:13:20.123456Z");
  CHECK(rfc3339_seconds(when) == "2023-11-14T22:13:20Z");
  CHECK(*parse_rfc3339("2023-11-14T22:13:20Z") == when);
  CHECK(*parse_rfc3339("2023-11-14t22:13:20.5z") == when + 500ms);
  CHECK(*parse_rfc3339("2023-11-15T00:13:20+02:00") == when);
  CHECK(*parse_rfc3339("2023-11-14T17:43:20-04:30") == when);
  for (const char* text : {"", "2023-11-14", "2023-13-14T22:13:20Z", "2023-02-30T00:00:00Z",
                           "2023-11-14T24:13:20Z", "2023-11-14T22:13:20", "2023-11-14T22:13:20.Z",
                           "2023-11-14T22:13:20Zx", "2023-11-14T22:13:20+2:00", "x"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_rfc3339(text).has_value());
  }
}

TEST_CASE("a date that no clock here can count is the nearest that it can") {
  CHECK(rfc3339_seconds(*parse_rfc3339("0551-11-21T01:00:00Z")) == "1950-01-01T00:00:00Z");
  CHECK(rfc3339_seconds(*parse_rfc3339("9999-12-31T23:59:59Z")) == "2200-01-01T00:00:00Z");
  CHECK(*parse_rfc3339("9999-12-31T23:59:59Z") - *parse_rfc3339("0551-11-21T01:00:00Z") >
        std::chrono::hours(24 * 365 * 200));
}

TEST_CASE("HTTP dates go both ways") {
  const Wall when = Wall(std::chrono::seconds(784'111'777));
  CHECK(http_date(when) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(*parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == when);
  CHECK(*parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT") == when);
  CHECK(*parse_http_date("Sun Nov  6 08:49:37 1994") == when);
  CHECK(http_date(*parse_http_date("Saturday, 21-Nov-26 01:40:00 GMT")) ==
        "Sat, 21 Nov 2026 01:40:00 GMT");
  for (const char* text : {"", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Foo 1994 08:49:37 GMT",
                           "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08-49-37 GMT",
                           "Sunday, 06-Nov-1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37",
                           "Sun Nov  6 08:49:37 94", "Sun Nov xx 08:49:37 1994", ", "}) {
    CAPTURE(text);
    CHECK_FALSE(parse_http_date(text).has_value());
  }
}

}  // namespace time_test
