#pragma once

#include <string>

#include "core/base/error.hpp"

namespace gatehouse::control {

/// tickets.json around the ring's own text, one key a string.
std::string tickets_json(const std::string& ring);
/// The ring's text again. An error: the file is damaged.
Result<std::string> tickets_text(const std::string& json);

}  // namespace gatehouse::control
