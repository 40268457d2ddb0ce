#pragma once

#include <string>

#include "core/base/error.hpp"

namespace gatehouse::tls {

/// A file of certificates or lists, at most 64 MiB. Blocks: not for workers. Errors name the file.
Result<std::string> read_pem_file(const std::string& path);

}  // namespace gatehouse::tls
