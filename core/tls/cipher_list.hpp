#pragma once

#include <string>

namespace gatehouse::tls {

/// What is wrong with a cipher list for TLS 1.2, in a sentence that follows the key's name; empty
/// when nothing is. OpenSSL itself passes over names that it does not know as long as one is left.
std::string wrong_in_cipher_list(const std::string& list);

}  // namespace gatehouse::tls
