#pragma once

#include <string>

#include "core/base/entropy.hpp"
#include "core/base/error.hpp"

namespace gatehouse::control {

/// The random text in a file of one line; made (0600) where it is missing. A file that others can
/// read is an error that names it and its mode.
Result<std::string> secret_of(const std::string& path, Entropy& entropy);
/// Reads it, makes none.
Result<std::string> read_secret(const std::string& path);

}  // namespace gatehouse::control
