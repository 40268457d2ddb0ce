#include "core/tls/detail/public_key.hpp"

#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {
namespace {

/// RFC 5480 §2.2.
int curve(KeyType type) {
  switch (type) {
    case KeyType::p256:
      return NID_X9_62_prime256v1;
    case KeyType::p384:
      return NID_secp384r1;
    default:
      return NID_secp521r1;
  }
}

/// OpenSSL's own way encodes the key and decodes it again, with a search for an encoder and a
/// decoder: 2,300,000 instructions, where the key itself is made in 300,000.
bool put_ecdsa(X509_PUBKEY* into, const PrivateKey& key) {
  unsigned char* raw = nullptr;
  const std::size_t size = EVP_PKEY_get1_encoded_public_key(key.handle(), &raw);
  OwnedOctets point(raw);
  if (size == 0 ||
      X509_PUBKEY_set0_param(into, OBJ_nid2obj(NID_X9_62_id_ecPublicKey), V_ASN1_OBJECT,
                             OBJ_nid2obj(curve(key.type())), raw, static_cast<int>(size)) != 1) {
    return false;
  }
  (void)point.release();  // it is `into`'s now
  return true;
}

}  // namespace

bool set_public_key(X509* certificate, const PrivateKey& key) {
  return is_ecdsa(key.type()) ? put_ecdsa(X509_get_X509_PUBKEY(certificate), key)
                              : X509_set_pubkey(certificate, key.handle()) == 1;
}

bool set_public_key(X509_REQ* request, const PrivateKey& key) {
  return is_ecdsa(key.type()) ? put_ecdsa(X509_REQ_get_X509_PUBKEY(request), key)
                              : X509_REQ_set_pubkey(request, key.handle()) == 1;
}

}  // namespace gatehouse::tls::detail
