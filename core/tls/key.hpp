#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.hpp"

struct evp_pkey_st;  // OpenSSL's key

namespace gatehouse::tls {

enum class KeyType : std::uint8_t {
  p256,
  p384,
  p521,
  ed25519,
  rsa2048,
  rsa3072,
  rsa4096,
  rsa_other,  // 2048 bits or more; read, never made
};

/// "p256", "rsa2048": the words of the configuration.
std::string_view name(KeyType type);
std::optional<KeyType> key_type(std::string_view name);
inline bool is_rsa(KeyType type) { return type >= KeyType::rsa2048; }
inline bool is_ecdsa(KeyType type) { return type <= KeyType::p521; }

/// The public half as JWK has it: raw octets, not yet base64url (RFC 7518 §6, RFC 8037 §2).
struct PublicMembers {
  std::string x, y;  // EC: padded to the field's length; Ed25519: x alone
  std::string n, e;  // RSA: no leading zero octet
};

/// A private key: a value, copies share what is below. Immutable, any thread. Empty by default;
/// everything but `operator bool` requires that it is not.
class PrivateKey {
 public:
  PrivateKey() = default;
  explicit PrivateKey(std::shared_ptr<evp_pkey_st> key, KeyType type)
      : key_(std::move(key)), type_(type) {}

  /// Burns a processor for RSA: call it on a helper.
  static Result<PrivateKey> generate(KeyType type);
  /// PKCS#8, SEC1 or PKCS#1, not encrypted. RSA from 2048 bits on.
  static Result<PrivateKey> from_pem(std::string_view pem);

  explicit operator bool() const { return key_ != nullptr; }
  /// PKCS#8.
  std::string to_pem() const;
  KeyType type() const { return type_; }
  bool same_public_key(const PrivateKey& other) const;
  /// DER SubjectPublicKeyInfo.
  std::string public_der() const;
  PublicMembers public_members() const;

  // JWS signatures (RFC 7518 §3): an error when the key is of another type.
  /// R and S, 32 octets each.
  Result<std::string> sign_es256_raw(std::string_view message) const;
  /// R and S, 48 octets each.
  Result<std::string> sign_es384_raw(std::string_view message) const;
  Result<std::string> sign_rs256(std::string_view message) const;
  Result<std::string> sign_ed25519(std::string_view message) const;

  evp_pkey_st* handle() const { return key_.get(); }

 private:
  std::shared_ptr<evp_pkey_st> key_;
  KeyType type_ = KeyType::p256;
};

/// A DER ECDSA signature as R and S side by side, each `width` octets, zeros in front.
Result<std::string> ecdsa_raw(std::string_view der, std::size_t width);

}  // namespace gatehouse::tls
