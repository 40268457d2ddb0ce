#pragma once

// The only header that may include OpenSSL: take it into .cpp files alone.

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.hpp"
#include "core/tls/key.hpp"

namespace gatehouse::tls {

template <auto Free>
struct FreedBy {
  template <class T>
  void operator()(T* thing) const {
    Free(thing);
  }
};

inline void free_certificates(STACK_OF(X509) * certificates) {
  sk_X509_pop_free(certificates, X509_free);
}
inline void free_extensions(STACK_OF(X509_EXTENSION) * extensions) {
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

inline void free_octets(unsigned char* octets) { OPENSSL_free(octets); }

using OwnedOctets = std::unique_ptr<unsigned char, FreedBy<free_octets>>;  // that OpenSSL gave away
using KeyHandle = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreedBy<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreedBy<EVP_MD_CTX_free>>;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreedBy<EVP_CIPHER_CTX_free>>;
using CipherHandle = std::unique_ptr<EVP_CIPHER, FreedBy<EVP_CIPHER_free>>;
using Number = std::unique_ptr<BIGNUM, FreedBy<BN_free>>;
using X509Handle = std::unique_ptr<X509, FreedBy<X509_free>>;
using RequestHandle = std::unique_ptr<X509_REQ, FreedBy<X509_REQ_free>>;
using ExtensionHandle = std::unique_ptr<X509_EXTENSION, FreedBy<X509_EXTENSION_free>>;
using Extensions = std::unique_ptr<STACK_OF(X509_EXTENSION), FreedBy<free_extensions>>;
using Certificates = std::unique_ptr<STACK_OF(X509), FreedBy<free_certificates>>;
using AltNames = std::unique_ptr<GENERAL_NAMES, FreedBy<GENERAL_NAMES_free>>;
using BioHandle = std::unique_ptr<BIO, FreedBy<BIO_free_all>>;
using SslHandle = std::unique_ptr<SSL, FreedBy<SSL_free>>;
using SslContext = std::unique_ptr<SSL_CTX, FreedBy<SSL_CTX_free>>;

inline const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
inline unsigned char* octets(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}
inline std::string_view text(const unsigned char* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}
inline int int_size(std::string_view text) { return static_cast<int>(text.size()); }

/// What OpenSSL last complained about on this thread, in words; empties its queue.
std::string openssl_problem();
/// "<doing>: <openssl_problem()>", a fault of our own.
Error openssl_error(std::string_view doing);

/// DER of anything with an i2d function.
template <auto ToDer, class T>
std::string der(const T* thing) {
  unsigned char* out = nullptr;
  const int size = ToDer(thing, &out);
  if (size <= 0) return {};
  std::string result(text(out, static_cast<std::size_t>(size)));
  OPENSSL_free(out);
  return result;
}

BioHandle memory_bio(std::string_view contents);
std::string memory_text(BIO* bio);
/// "-----BEGIN CERTIFICATE-----" …
std::string to_pem(X509* certificate);

/// What a key of this type signs certificates and requests over; null: over all of it (Ed25519).
const EVP_MD* signing_digest(KeyType type);

}  // namespace gatehouse::tls
