#pragma once

#include <string>

namespace gatehouse::control {

/// Says on standard error what is wrong, and returns the status that the program is to end with.
int fail(const std::string& message, int status = 1);

}  // namespace gatehouse::control
