#pragma once

#include <cstddef>
#include <string_view>

namespace gatehouse::acme {

inline constexpr std::size_t most_url_bytes = 2048;

/// A whole https URL of a decent length: all that a CA may point us to.
bool https_url(std::string_view text);

}  // namespace gatehouse::acme
