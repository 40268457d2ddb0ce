#pragma once

#include <string_view>

#include "core/base/error.hpp"

namespace gatehouse::tls {

/// Whether a PEM text holds certificates that can be trusted as roots: at least one, and none that
/// is damaged. Errors say which block is. Any thread; so is the next.
Result<void> check_roots(std::string_view pem);

/// The same of revocation lists (RFC 5280, section 5).
Result<void> check_revocation_lists(std::string_view pem);

}  // namespace gatehouse::tls
