#pragma once

#include <string>

namespace gatehouse::control {

/// tickets.json around the ring's own text, one key a string.
std::string tickets_json(const std::string& ring);
/// The ring's text again; empty where the file is damaged.
std::string tickets_text(const std::string& json);

}  // namespace gatehouse::control
