#pragma once

#include <string>
#include <string_view>

#include "core/base/error.hpp"
#include "core/tls/key.hpp"

namespace gatehouse::acme {

/// The public half of an account key as JWK with the required members alone, in lexicographic order
/// and without blanks: what RFC 7638 hashes, and good as `jwk` too.
std::string canonical_jwk(const tls::PrivateKey& key);
/// RFC 7638: base64url of the SHA-256 of canonical_jwk().
std::string thumbprint(const tls::PrivateKey& key);
/// RFC 8555 §8.1. Requires: valid_token(token).
std::string key_authorization(std::string_view token, const tls::PrivateKey& key);

/// What stands in the protected header (RFC 8555 §6.2). Without `account_url` the public key itself
/// is sent (`jwk`); without `nonce` none is (the inner object of a key change).
struct JwsHeader {
  std::string url;
  std::string nonce;
  std::string account_url;
};

/// A flattened JSON serialisation (RFC 7515 §7.2.2) over exactly the octets of `payload`: empty for
/// POST-as-GET. The algorithm follows from the key: ES256, ES384, RS256, EdDSA.
Result<std::string> sign_jws(const tls::PrivateKey& key, const JwsHeader& header,
                             std::string_view payload);

/// Binds an account key to an account the operator has elsewhere (RFC 8555 §7.3.4), HS256.
/// `hmac_key` as the CA hands it out: base64url, or base64 as people paste it.
Result<std::string> external_account_binding(std::string_view key_id, std::string_view hmac_key,
                                             std::string_view new_account_url,
                                             const tls::PrivateKey& account_key);

}  // namespace gatehouse::acme
