#include "core/tls/certificate_authority.hpp"

#include <openssl/rand.h>

#include <algorithm>

#include "core/base/host.hpp"
#include "core/tls/detail/extensions.hpp"
#include "core/tls/detail/public_key.hpp"
#include "core/tls/handles.hpp"

namespace gatehouse::tls {
namespace {

using detail::Critical;

bool set_time(ASN1_TIME* field, Wall when) {
  return ASN1_TIME_set(field, std::chrono::system_clock::to_time_t(when)) != nullptr;
}

/// 16 random octets, positive, never zero in front (RFC 5280 §4.1.2.2).
bool set_serial(X509* certificate) {
  unsigned char raw[16];
  if (RAND_bytes(raw, sizeof raw) != 1) return false;
  raw[0] = static_cast<unsigned char>((raw[0] & 0x7f) | 0x40);
  const Number number(BN_bin2bn(raw, sizeof raw, nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_common_name(X509* certificate, std::string_view name) {
  return X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName,
                                    MBSTRING_UTF8, octets(name), int_size(name), -1, 0) == 1;
}

/// An extension in OpenSSL's configuration words.
bool add_by_words(X509* certificate, X509* issuer, int kind, const char* words) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionHandle extension(X509V3_EXT_conf_nid(nullptr, &context, kind, words));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool add(X509* certificate, const char* oid, Critical critical, std::string_view value) {
  auto extension = detail::make_extension(oid, critical, value);
  return extension && X509_add_ext(certificate, extension->get(), -1) == 1;
}

/// What all of them share: version 3, serial, dates, key.
X509Handle blank(const PrivateKey& key, Validity validity) {
  X509Handle out(X509_new());
  if (!out || X509_set_version(out.get(), X509_VERSION_3) != 1 || !set_serial(out.get()) ||
      !set_time(X509_getm_notBefore(out.get()), validity.not_before) ||
      !set_time(X509_getm_notAfter(out.get()), validity.not_after) ||
      !detail::set_public_key(out.get(), key)) {
    return nullptr;
  }
  return out;
}

bool sign(X509* certificate, const PrivateKey& key) {
  return X509_sign(certificate, key.handle(), signing_digest(key.type())) > 0;
}

/// A CA certificate below `issuer`, or self-signed where that is null.
X509Handle make_authority(std::string_view common_name, const PrivateKey& key, Validity validity,
                          const Certificate* issuer) {
  X509Handle out = blank(key, validity);
  if (!out || !set_common_name(out.get(), common_name)) return nullptr;
  X509* const above = issuer != nullptr ? issuer->leaf() : out.get();
  if (X509_set_issuer_name(out.get(), X509_get_subject_name(above)) != 1 ||
      !add_by_words(out.get(), above, NID_basic_constraints,
                    issuer != nullptr ? "critical,CA:TRUE,pathlen:0" : "critical,CA:TRUE") ||
      !add_by_words(out.get(), above, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_by_words(out.get(), above, NID_subject_key_identifier, "hash") ||
      (issuer != nullptr &&
       !add_by_words(out.get(), above, NID_authority_key_identifier, "keyid:always")) ||
      !sign(out.get(), issuer != nullptr ? issuer->key() : key)) {
    return nullptr;
  }
  return out;
}

}  // namespace

Result<CertificateAuthority> CertificateAuthority::make_root(std::string_view common_name,
                                                             PrivateKey key, Validity validity) {
  const X509Handle made = make_authority(common_name, key, validity, nullptr);
  if (!made) return openssl_error("make a root certificate");
  auto certificate = Certificate::parse(to_pem(made.get()), std::move(key));
  if (!certificate) return certificate.error();
  return CertificateAuthority(std::move(*certificate));
}

Result<CertificateAuthority> CertificateAuthority::load(std::string_view chain_pem,
                                                        std::string_view key_pem) {
  auto certificate = Certificate::parse(chain_pem, key_pem);
  if (!certificate) return certificate.error();
  if (X509_check_ca((*certificate)->leaf()) == 0) {
    return Error(Fault::bad_message, Side::self, "certificate: is none of an authority");
  }
  return CertificateAuthority(std::move(*certificate));
}

Result<CertificateAuthority> CertificateAuthority::make_intermediate(std::string_view common_name,
                                                                     PrivateKey key,
                                                                     Validity validity) const {
  validity.not_after = std::min(validity.not_after, certificate_->not_after());
  const X509Handle made = make_authority(common_name, key, validity, certificate_.get());
  if (!made) return openssl_error("make an intermediate certificate");
  std::string pem = to_pem(made.get());
  if (!certificate_->self_signed()) pem += certificate_->chain_pem();
  auto certificate = Certificate::parse(pem, std::move(key));
  if (!certificate) return certificate.error();
  return CertificateAuthority(std::move(*certificate));
}

Result<std::string> CertificateAuthority::issue(const std::vector<std::string>& names,
                                                const PrivateKey& key, Validity validity) const {
  auto alt_names = detail::alt_names_value(names);
  if (!alt_names) return alt_names.error();
  validity.not_after = std::min(validity.not_after, certificate_->not_after());
  const X509Handle leaf = blank(key, validity);
  X509* const issuer = certificate_->leaf();
  const char* const usage = is_rsa(key.type()) ? "critical,digitalSignature,keyEncipherment"
                                               : "critical,digitalSignature";
  // The subject is empty, so the alternative names are critical (RFC 5280 §4.2.1.6).
  if (!leaf || X509_set_issuer_name(leaf.get(), X509_get_subject_name(issuer)) != 1 ||
      !add_by_words(leaf.get(), issuer, NID_basic_constraints, "critical,CA:FALSE") ||
      !add_by_words(leaf.get(), issuer, NID_key_usage, usage) ||
      !add_by_words(leaf.get(), issuer, NID_ext_key_usage, "serverAuth") ||
      !add_by_words(leaf.get(), issuer, NID_subject_key_identifier, "hash") ||
      !add_by_words(leaf.get(), issuer, NID_authority_key_identifier, "keyid:always") ||
      !add(leaf.get(), detail::oid_alt_names, Critical::yes, *alt_names) ||
      !sign(leaf.get(), certificate_->key())) {
    return openssl_error("issue a certificate");
  }
  std::string pem = to_pem(leaf.get());
  if (!certificate_->self_signed()) pem += certificate_->chain_pem();
  return pem;
}

Result<CertificatePointer> make_tls_alpn_certificate(std::string_view identifier,
                                                     std::string_view digest, Wall now) {
  if (digest.size() != 32) {
    return Error(Fault::bad_message, Side::self, "a key authorization's digest has 32 octets");
  }
  const std::vector<std::string> names{std::string(identifier)};
  auto alt_names = detail::alt_names_value(names);
  if (!alt_names) return alt_names.error();
  auto key = PrivateKey::generate(KeyType::p256);
  if (!key) return key.error();
  // A CA's clock and ours may differ; nobody judges the dates.
  const Validity validity{now - std::chrono::hours(24), now + std::chrono::hours(24 * 7)};
  const X509Handle made = blank(*key, validity);
  const std::string value = std::string("\x04\x20") + std::string(digest);
  if (!made || !set_common_name(made.get(), "ACME challenge") ||
      X509_set_issuer_name(made.get(), X509_get_subject_name(made.get())) != 1 ||
      !add(made.get(), detail::oid_alt_names, Critical::no, *alt_names) ||
      !add(made.get(), detail::oid_acme_identifier, Critical::yes, value) ||
      !sign(made.get(), *key)) {
    return openssl_error("make a challenge certificate");
  }
  return Certificate::parse(to_pem(made.get()), std::move(*key));
}

}  // namespace gatehouse::tls
