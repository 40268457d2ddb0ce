#pragma once

#include <string>

#include "core/http/content_coding.hpp"

namespace gatehouse::test {

/// As much of a body as can be read of what came of it so far.
std::string decoded(http::Coding coding, const std::string& octets);

}  // namespace gatehouse::test
