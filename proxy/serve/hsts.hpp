#pragma once

#include <string>
#include <string_view>

namespace gatehouse::serve {

inline constexpr std::string_view hsts_name = "Strict-Transport-Security";

/// "max-age=31536000; includeSubDomains" for the `hsts` of a config, "1y; includeSubDomains".
/// Requires: a checked text; empty gives empty.
std::string hsts_value(std::string_view written);

}  // namespace gatehouse::serve
