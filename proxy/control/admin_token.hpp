#pragma once

#include <string>

#include "core/base/entropy.hpp"
#include "core/base/error.hpp"

namespace gatehouse::control {

/// The bearer token of DATA_DIR/admin.token; made (0600) where it is missing. A token that others
/// can read is an error that names the file and its mode.
Result<std::string> admin_token(const std::string& data_dir, Entropy& entropy);
/// For the command line: reads it, makes none.
Result<std::string> read_admin_token(const std::string& data_dir);

}  // namespace gatehouse::control
