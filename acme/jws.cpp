#include "acme/jws.hpp"

#include "core/base/bytes.hpp"
#include "core/base/log.hpp"
#include "core/tls/digest.hpp"

namespace gatehouse::acme {
namespace {

using tls::KeyType;

std::string_view curve(KeyType type) {
  if (type == KeyType::p384) return "P-384";
  if (type == KeyType::p521) return "P-521";
  return "P-256";
}

std::string_view algorithm(KeyType type) {
  if (tls::is_rsa(type)) return "RS256";
  if (type == KeyType::ed25519) return "EdDSA";
  return type == KeyType::p384 ? "ES384" : "ES256";
}

Result<std::string> sign(const tls::PrivateKey& key, std::string_view input) {
  if (tls::is_rsa(key.type())) return key.sign_rs256(input);
  if (key.type() == KeyType::ed25519) return key.sign_ed25519(input);
  if (key.type() == KeyType::p384) return key.sign_es384_raw(input);
  return key.sign_es256_raw(input);  // refuses P-521
}

/// `"name":"value"`, the value as a JSON string.
std::string member(std::string_view name, std::string_view value) {
  return "\"" + std::string(name) + "\":\"" + log::json_escaped(value) + "\"";
}

std::string flattened(std::string_view header, std::string_view payload,
                      std::string_view signature) {
  return "{" + member("protected", header) + "," + "\"payload\":\"" + std::string(payload) + "\"," +
         member("signature", signature) + "}";
}

}  // namespace

std::string canonical_jwk(const tls::PrivateKey& key) {
  const tls::PublicMembers parts = key.public_members();
  if (tls::is_rsa(key.type())) {
    return "{" + member("e", base64url(parts.e)) + "," + member("kty", "RSA") + "," +
           member("n", base64url(parts.n)) + "}";
  }
  if (key.type() == KeyType::ed25519) {
    return "{" + member("crv", "Ed25519") + "," + member("kty", "OKP") + "," +
           member("x", base64url(parts.x)) + "}";
  }
  return "{" + member("crv", curve(key.type())) + "," + member("kty", "EC") + "," +
         member("x", base64url(parts.x)) + "," + member("y", base64url(parts.y)) + "}";
}

std::string thumbprint(const tls::PrivateKey& key) {
  return base64url(tls::sha256(canonical_jwk(key)));
}

std::string key_authorization(std::string_view token, const tls::PrivateKey& key) {
  return std::string(token) + "." + thumbprint(key);
}

Result<std::string> sign_jws(const tls::PrivateKey& key, const JwsHeader& header,
                             std::string_view payload) {
  std::string text = "{" + member("alg", algorithm(key.type())) + ",";
  if (header.account_url.empty()) {
    text += "\"jwk\":" + canonical_jwk(key);
  } else {
    text += member("kid", header.account_url);
  }
  if (!header.nonce.empty()) text += "," + member("nonce", header.nonce);
  text += "," + member("url", header.url) + "}";
  const std::string encoded_header = base64url(text);
  const std::string encoded_payload = base64url(payload);
  auto signature = sign(key, encoded_header + "." + encoded_payload);
  if (!signature) return std::move(signature).error().within("sign the request");
  return flattened(encoded_header, encoded_payload, base64url(*signature));
}

Result<std::string> external_account_binding(std::string_view key_id, std::string_view hmac_key,
                                             std::string_view new_account_url,
                                             const tls::PrivateKey& account_key) {
  const auto secret = from_base64_lenient(hmac_key);
  if (!secret || secret->empty()) {
    // The detail must not show the key.
    return Error(Fault::bad_message, Side::self, "the EAB hmac_key is not base64url");
  }
  const std::string text = "{" + member("alg", "HS256") + "," + member("kid", key_id) + "," +
                           member("url", new_account_url) + "}";
  const std::string header = base64url(text);
  const std::string payload = base64url(canonical_jwk(account_key));
  return flattened(header, payload, base64url(tls::hmac_sha256(*secret, header + "." + payload)));
}

}  // namespace gatehouse::acme
