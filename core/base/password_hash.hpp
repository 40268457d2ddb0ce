#pragma once

#include <string>

namespace gatehouse {

/// Whether the system's crypt(3) can check passwords against a hash like this one.
bool is_usable_hash(const std::string& hash);

/// Checks a password by crypt(3): slow by design, so never on a worker. Any thread.
bool password_fits(const std::string& password, const std::string& hash);

}  // namespace gatehouse
