#pragma once

#include "config/model.hpp"
#include "core/base/error.hpp"

namespace gatehouse::control {

/// Sends the log where [log] wants it from now on. Errors: the output cannot be opened; the old one
/// stays.
Result<void> open_log(const config::Log& settings);

}  // namespace gatehouse::control
