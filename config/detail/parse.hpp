#pragma once

#include <optional>
#include <string>

#include "config/detail/book.hpp"

namespace gatehouse::config::detail {

/// TOML 1.0 text to nodes; a syntax error goes into the book.
std::optional<Node> parse_toml(const std::string& text, const std::string& file, Book& book);

/// ": WHY" for the end of "cannot read 'PATH'", as far as it is known.
std::string because(const std::string& path, const Surroundings& around);

/// Why a file of that many octets is refused; empty when it is not.
std::string too_large(std::size_t octets);

/// Replaces `${NAME}`, `${NAME:-default}`, `${file:PATH}` and `$${` in every string below `node`.
void substitute(Node& node, const Surroundings& around, Book& book);

/// Puts "<redacted>" in the place of what may be a secret and stands where none is expected: values
/// that came of ${...}, and those of fields like Authorization.
void redact(Config& config);

/// Reads what `root` includes, and what that includes, into `root`: sites, backends, certificates.
void merge_includes(Node& root, const std::string& file, const Surroundings& around, Book& book);

/// Fills what an absent key means where that depends on other keys or on the machine.
void resolve(Config& config, const Book& book, const Surroundings& around);

/// /var/lib/gatehouse for root, else below the user's data directory (XDG base directories).
std::string default_data_dir(const Surroundings& around);

/// Rules across keys.
void check(const Config& config, Book& book, const Surroundings& around);

/// Refuses every written key whose feature this version does not have.
void check_available(const Node& text, Book& book);

/// Why a key with these values is refused by this version; empty when it is not.
std::string unavailable(const std::string& pattern, const Strings& values);

}  // namespace gatehouse::config::detail
