#pragma once

#include "core/tls/key.hpp"

struct x509_st;      // OpenSSL's certificate
struct X509_req_st;  // and its certificate request

namespace gatehouse::tls::detail {

/// Writes the public half into what is to be signed. False where that failed; OpenSSL's queue says
/// why.
bool set_public_key(x509_st* certificate, const PrivateKey& key);
bool set_public_key(X509_req_st* request, const PrivateKey& key);

}  // namespace gatehouse::tls::detail
