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
/// The same to where twice as many octets have room.
void write_hex(std::string_view octets, char* to);
Result<std::string> from_hex(std::string_view text);
/// The value of a hex digit in either case; -1: it is none.
int hex_digit(char c);

/// ASCII only, locale never asked.
char to_lower(char c);
std::string to_lower(std::string_view text);
/// The same where both are as long as each other.
bool same_letters(std::string_view a, std::string_view b);
inline bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  // Most that are compared differ in their first letter; cases differ in this bit alone.
  constexpr int case_bit = 0x20;
  return a.empty() || (((a.front() ^ b.front()) & ~case_bit) == 0 && same_letters(a, b));
}

}  // namespace gatehouse
