#pragma once

#include <string_view>

namespace gatehouse::http {

/// The standard phrase of a status (RFC 9110 §15 and the IANA registry); empty for those without.
std::string_view reason_phrase(int status);

}  // namespace gatehouse::http
