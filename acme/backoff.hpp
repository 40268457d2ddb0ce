#pragma once

#include "acme/issuer.hpp"
#include "acme/order_store.hpp"
#include "core/base/entropy.hpp"

namespace gatehouse::acme {

/// The step of the ladder after `attempts` failures in a row (1 = the first): 1 minute at first, 6
/// hours in the end. Requires: attempts > 0.
std::chrono::seconds ladder_step(std::uint32_t attempts);

/// What stands in storage after one more failure. Temporary ones climb the ladder, ±20 %. A time
/// the CA named is kept, with up to a minute more so that names that were refused together do not
/// come back together. What looks permanent is tried again on the ladder's first steps (a record
/// just being repaired) and then once a day.
Backoff after_failure(const Backoff& before, const IssueFailure& failure, Wall now,
                      Entropy& entropy);

/// `value` moved by up to `share` of itself, either way.
std::chrono::seconds spread(std::chrono::seconds value, double share, Entropy& entropy);

}  // namespace gatehouse::acme
