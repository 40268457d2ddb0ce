#pragma once

#include <array>
#include <chrono>
#include <string>
#include <string_view>

#include "core/base/clock.hpp"
#include "core/base/error.hpp"

namespace gatehouse {

/// The date so far from 1970, or the nearest between 1950 and 2200: a Wall counts nanoseconds and
/// reaches no further than 2262, peers date certificates to 9999 (RFC 5280 §4.1.2.5), and the time
/// between any two dates must be a duration too.
Wall nearest_wall(std::chrono::seconds since_epoch);

/// `2026-11-21T01:40:00.123456Z`: RFC 3339, UTC, microseconds.
std::string rfc3339(Wall when);
/// Room for a date of rfc3339().
using DateRoom = std::array<char, 32>;
/// The same, for the road of every request: no printf, no lock (gmtime_r takes one), no memory
/// taken.
std::string_view rfc3339(Wall when, DateRoom& room);
/// `2026-11-21T01:40:00Z`: RFC 3339, UTC, whole seconds; for stored dates.
std::string rfc3339_seconds(Wall when);
/// Reads RFC 3339 with any offset and fraction.
Result<Wall> parse_rfc3339(std::string_view text);
/// `Sat, 21 Nov 2026 01:40:00 GMT`: the HTTP date (RFC 9110 §5.6.7).
std::string http_date(Wall when);
/// Reads an HTTP date in its preferred form or one of the two obsolete ones (RFC 9110 §5.6.7).
Result<Wall> parse_http_date(std::string_view text);

}  // namespace gatehouse
