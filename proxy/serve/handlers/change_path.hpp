#pragma once

#include "proxy/serve/handlers/visit.hpp"

namespace gatehouse::serve {

/// Puts the path that the route was chosen by in the place of the one that came: a server is not
/// given another one to judge by.
void settle_path(Visit& visit);

/// strip_prefix, add_prefix and rewrite. Never refuses.
Refusal change_path(Visit& visit);

}  // namespace gatehouse::serve
