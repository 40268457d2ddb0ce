#pragma once

#include <string>
#include <string_view>

#include "core/base/error.hpp"

namespace gatehouse::acme {

/// A name as one part of a path below DATA_DIR. Names come from the config and from certificates,
/// normal already; this is the last fence before they become paths.
Result<std::string> folder(std::string_view name);

/// What is stored cannot be what we wrote.
Error damaged(const std::string& path, const std::string& why);
inline bool missing(const Error& error) { return error.fault() == Fault::not_found; }

}  // namespace gatehouse::acme
