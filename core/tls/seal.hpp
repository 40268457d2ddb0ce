#pragma once

#include <string>
#include <string_view>

#include "core/base/entropy.hpp"
#include "core/base/error.hpp"

namespace gatehouse::tls {

/// AES-256-GCM for secrets at rest. A sealed text is: 12 octets nonce, the ciphertext, 16 octets
/// tag. `about` is bound to it and must be the same when opening (the name of the file, say), so
/// that one sealed text cannot stand in for another. `key` has 32 octets.
Result<std::string> seal(std::string_view key, std::string_view plain, std::string_view about,
                         Entropy& entropy);
/// Fault::denied when key or `about` are others or a bit was changed.
Result<std::string> unseal(std::string_view key, std::string_view sealed, std::string_view about);

}  // namespace gatehouse::tls
