#include "core/tls/key.hpp"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <array>

#include "core/tls/detail/key_decoder.hpp"
#include "core/tls/handles.hpp"

namespace gatehouse::tls {
namespace {

struct Named {
  KeyType type;
  std::string_view name;
};
constexpr std::array names{
    Named{KeyType::p256, "p256"},       Named{KeyType::p384, "p384"},
    Named{KeyType::p521, "p521"},       Named{KeyType::ed25519, "ed25519"},
    Named{KeyType::rsa2048, "rsa2048"}, Named{KeyType::rsa3072, "rsa3072"},
    Named{KeyType::rsa4096, "rsa4096"}, Named{KeyType::rsa_other, "rsa"},
};

Error bad_key(std::string detail) {
  return Error(Fault::bad_message, Side::self, "private key: " + std::move(detail));
}

Result<KeyType> type_of(EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_ED25519:
      return KeyType::ed25519;
    case EVP_PKEY_RSA:
      switch (EVP_PKEY_get_bits(key)) {
        case 2048:
          return KeyType::rsa2048;
        case 3072:
          return KeyType::rsa3072;
        case 4096:
          return KeyType::rsa4096;
        default:
          if (EVP_PKEY_get_bits(key) < 2048)
            return bad_key("RSA of less than 2048 bits is not safe");
          return KeyType::rsa_other;
      }
    case EVP_PKEY_EC: {
      char group[64] = "";
      std::size_t size = 0;
      EVP_PKEY_get_group_name(key, group, sizeof group, &size);
      const std::string_view curve(group, size);
      if (curve == SN_X9_62_prime256v1 || curve == "P-256") return KeyType::p256;
      if (curve == SN_secp384r1 || curve == "P-384") return KeyType::p384;
      if (curve == SN_secp521r1 || curve == "P-521") return KeyType::p521;
      return bad_key("curve '" + std::string(curve) + "' is none that TLS clients know");
    }
    default:
      return bad_key("neither ECDSA, RSA nor Ed25519");
  }
}

EVP_PKEY* generate_key(KeyType type) {
  switch (type) {
    case KeyType::p256:
      return EVP_EC_gen("P-256");
    case KeyType::p384:
      return EVP_EC_gen("P-384");
    case KeyType::p521:
      return EVP_EC_gen("P-521");
    case KeyType::ed25519:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    case KeyType::rsa2048:
      return EVP_RSA_gen(2048);
    case KeyType::rsa3072:
      return EVP_RSA_gen(3072);
    case KeyType::rsa4096:
      return EVP_RSA_gen(4096);
    case KeyType::rsa_other:
      break;
  }
  return nullptr;
}

std::shared_ptr<EVP_PKEY> shared(EVP_PKEY* key) { return {key, EVP_PKEY_free}; }

Result<std::string> sign(EVP_PKEY* key, const EVP_MD* digest, std::string_view message) {
  DigestContext context(EVP_MD_CTX_new());
  std::size_t size = 0;
  if (!context || EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, octets(message), message.size()) != 1) {
    return openssl_error("sign");
  }
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(), octets(signature), &size, octets(message), message.size()) !=
      1) {
    return openssl_error("sign");
  }
  signature.resize(size);
  return signature;
}

std::string number(EVP_PKEY* key, const char* parameter, std::size_t width) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, parameter, &raw) != 1) return {};
  const Number held(raw);
  std::string out(width != 0 ? width : static_cast<std::size_t>(BN_num_bytes(raw)), '\0');
  BN_bn2binpad(raw, octets(out), int_size(out));
  return out;
}

std::size_t field_octets(KeyType type) {
  switch (type) {
    case KeyType::p256:
      return 32;
    case KeyType::p384:
      return 48;
    default:
      return 66;
  }
}

}  // namespace

std::string_view name(KeyType type) {
  for (const Named& each : names) {
    if (each.type == type) return each.name;
  }
  return "?";
}

std::optional<KeyType> key_type(std::string_view name) {
  for (const Named& each : names) {
    if (each.name == name && each.type != KeyType::rsa_other) return each.type;
  }
  return {};
}

Result<PrivateKey> PrivateKey::generate(KeyType type) {
  auto key = shared(generate_key(type));
  if (!key) return openssl_error("make a " + std::string(tls::name(type)) + " key");
  return PrivateKey(std::move(key), type);
}

Result<PrivateKey> PrivateKey::from_pem(std::string_view pem) {
  auto key = detail::decode_plain_key(pem);
  if (!key) {
    const BioHandle bio = memory_bio(pem);
    // An encrypted key must not make OpenSSL ask the terminal.
    const auto no_passphrase = [](char*, int, int, void*) { return -1; };
    key = shared(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  }
  if (!key) {
    ERR_clear_error();
    if (pem.find("ENCRYPTED") != std::string_view::npos) return bad_key("is encrypted");
    if (pem.find("PRIVATE KEY-----") == std::string_view::npos) {
      return bad_key("no 'PRIVATE KEY' block in the text");
    }
    return bad_key("the block is damaged");
  }
  auto type = type_of(key.get());
  if (!type) return type.error();
  return PrivateKey(std::move(key), *type);
}

std::string PrivateKey::to_pem() const {
  const BioHandle bio(BIO_new(BIO_s_secmem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return memory_text(bio.get());
}

bool PrivateKey::same_public_key(const PrivateKey& other) const {
  return EVP_PKEY_eq(key_.get(), other.key_.get()) == 1;
}

std::string PrivateKey::public_der() const { return der<i2d_PUBKEY>(key_.get()); }

PublicMembers PrivateKey::public_members() const {
  PublicMembers out;
  if (is_rsa(type_)) {
    out.n = number(key_.get(), OSSL_PKEY_PARAM_RSA_N, 0);
    out.e = number(key_.get(), OSSL_PKEY_PARAM_RSA_E, 0);
  } else if (type_ == KeyType::ed25519) {
    out.x.resize(32);
    std::size_t size = out.x.size();
    EVP_PKEY_get_raw_public_key(key_.get(), octets(out.x), &size);
  } else {
    out.x = number(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X, field_octets(type_));
    out.y = number(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y, field_octets(type_));
  }
  return out;
}

Result<std::string> PrivateKey::sign_es256_raw(std::string_view message) const {
  if (type_ != KeyType::p256) return bad_key("ES256 needs a p256 key");
  auto signature = sign(key_.get(), EVP_sha256(), message);
  if (!signature) return signature.error();
  return ecdsa_raw(*signature, 32);
}

Result<std::string> PrivateKey::sign_es384_raw(std::string_view message) const {
  if (type_ != KeyType::p384) return bad_key("ES384 needs a p384 key");
  auto signature = sign(key_.get(), EVP_sha384(), message);
  if (!signature) return signature.error();
  return ecdsa_raw(*signature, 48);
}

Result<std::string> PrivateKey::sign_rs256(std::string_view message) const {
  if (!is_rsa(type_)) return bad_key("RS256 needs an RSA key");
  return sign(key_.get(), EVP_sha256(), message);
}

Result<std::string> PrivateKey::sign_ed25519(std::string_view message) const {
  if (type_ != KeyType::ed25519) return bad_key("EdDSA needs an ed25519 key");
  return sign(key_.get(), nullptr, message);
}

Result<std::string> ecdsa_raw(std::string_view signature, std::size_t width) {
  const unsigned char* at = octets(signature);
  const std::unique_ptr<ECDSA_SIG, FreedBy<ECDSA_SIG_free>> parsed(
      d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(signature.size())));
  if (!parsed) return openssl_error("read an ECDSA signature");
  std::string out(2 * width, '\0');
  const int each = static_cast<int>(width);
  // Left-padded: an R or S with leading zero octets keeps its full width (RFC 7518 §3.4).
  if (BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), octets(out), each) != each ||
      BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), octets(out) + width, each) != each) {
    return Error(Fault::bad_message, Side::self, "an ECDSA signature is wider than its curve");
  }
  return out;
}

}  // namespace gatehouse::tls
