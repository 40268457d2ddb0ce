#include "core/tls/version.hpp"

#include <openssl/crypto.h>

namespace gatehouse::tls {

std::string library_version() { return OpenSSL_version(OPENSSL_VERSION); }

}  // namespace gatehouse::tls
