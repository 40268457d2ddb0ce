#pragma once

#include <string>
#include <string_view>

#include "core/base/clock.hpp"
#include "core/base/error.hpp"

struct asn1_string_st;  // OpenSSL's dates and strings

namespace gatehouse::tls::detail {

/// An error for what is no date; the nearest that we count for one that is too far away.
Result<Wall> wall_of(const asn1_string_st* time);
/// 4 or 16 octets as an address is written; empty for any other number.
std::string address_text(std::string_view raw);

}  // namespace gatehouse::tls::detail
