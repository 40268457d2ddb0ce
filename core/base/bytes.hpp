#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/base/error.hpp"

namespace gatehouse {

/// base64url without padding (RFC 4648 §5), as JOSE and ACME use it.
std::string base64url(std::string_view octets);
/// Exact inverse: padding, other alphabets and stray bits are errors.
Result<std::string> from_base64url(std::string_view text);
/// Standard base64 with padding (RFC 4648 §4).
std::string base64(std::string_view octets);
/// Reads standard or URL alphabet, with or without padding: what people paste.
Result<std::string> from_base64_lenient(std::string_view text);
std::string hex(std::string_view octets);
Result<std::string> from_hex(std::string_view text);
/// The value of a hex digit in either case; -1: it is none.
int hex_digit(char c);

/// ASCII only, locale never asked.
char to_lower(char c);
std::string to_lower(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace gatehouse
