#pragma once

#include <string>
#include <string_view>

#include "core/base/clock.hpp"
#include "core/base/error.hpp"

namespace gatehouse {

/// `2026-11-21T01:40:00.123456Z`: RFC 3339, UTC, microseconds.
std::string rfc3339(Wall when);
/// `2026-11-21T01:40:00Z`: RFC 3339, UTC, whole seconds; for stored dates.
std::string rfc3339_seconds(Wall when);
/// Reads RFC 3339 with any offset and fraction.
Result<Wall> parse_rfc3339(std::string_view text);
/// `Sat, 21 Nov 2026 01:40:00 GMT`: the HTTP date (RFC 9110 §5.6.7).
std::string http_date(Wall when);
/// Reads an HTTP date in its preferred form.
Result<Wall> parse_http_date(std::string_view text);

}  // namespace gatehouse
