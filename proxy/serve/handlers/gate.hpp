#pragma once

#include "proxy/serve/handlers/visit.hpp"

namespace gatehouse::serve {

// What decides by values alone whether a request may come in at all.

/// `allow` and `deny`: 403.
Refusal check_address(Visit& visit);
/// `rate_limit`: 429, and when it is worth trying again.
Refusal check_rate(Visit& visit);
/// `max_in_flight`: 503. Holds a place until the visit ends.
Refusal check_in_flight(Visit& visit);
/// `max_body`: 413.
Refusal check_body(Visit& visit);

}  // namespace gatehouse::serve
