#pragma once

#include <string>

#include "core/base/error.hpp"

namespace gatehouse::control {

enum class HashAlgorithm { bcrypt, yescrypt };

/// A hash that crypt(3) verifies. Errors: the password cannot be hashed faithfully (bcrypt looks at
/// 72 octets only), or the system's crypt lacks the algorithm.
Result<std::string> hash_password(const std::string& password, HashAlgorithm algorithm);

/// One password: asked twice without echo on a terminal, else the first line of stdin.
Result<std::string> read_password();

}  // namespace gatehouse::control
