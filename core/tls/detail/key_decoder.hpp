#pragma once

#include <memory>
#include <string_view>

struct evp_pkey_st;  // OpenSSL's key

namespace gatehouse::tls::detail {

/// The private key of a PEM text whose first block is a plain PKCS#8, SEC1 or PKCS#1 one of a kind
/// that we serve with. Null: it is something else, or damaged; OpenSSL's own reader, which knows
/// every form, can say what. That one builds its decoders anew for each key and tries them one by
/// one, which costs twenty times what the key itself does; here each thread keeps those it used.
std::shared_ptr<evp_pkey_st> decode_plain_key(std::string_view pem);

}  // namespace gatehouse::tls::detail
