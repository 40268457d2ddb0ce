#include "core/tls/secret.hpp"

#include <openssl/crypto.h>

namespace gatehouse::tls {

Secret::~Secret() { OPENSSL_cleanse(octets_.data(), octets_.size()); }

}  // namespace gatehouse::tls
