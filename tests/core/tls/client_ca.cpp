#include "tests/core/tls/client_ca.hpp"

#include <doctest/doctest.h>
#include <openssl/pem.h>

namespace gatehouse::tls::test {
namespace {

void add_extension(X509* to, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX around;
  X509V3_set_ctx(&around, issuer, to, nullptr, nullptr, 0);
  const ExtensionHandle made(X509V3_EXT_conf_nid(nullptr, &around, nid, value.c_str()));
  REQUIRE(made);
  X509_add_ext(to, made.get(), -1);
}

void add_name(X509_NAME* to, const char* kind, const std::string& value) {
  X509_NAME_add_entry_by_txt(to, kind, MBSTRING_UTF8, octets(std::string_view(value)),
                             int_size(value), -1, 0);
}

long next_serial() {
  static long last = 0x1000;
  return ++last;
}

template <class Thing, class Write>
std::string pem_of(Thing* thing, Write write) {
  const BioHandle out(BIO_new(BIO_s_mem()));
  write(out.get(), thing);
  return memory_text(out.get());
}

}  // namespace

std::string Shown::pem() const { return pem_of(certificate.get(), PEM_write_bio_X509); }

Shown ClientCa::make(const Wish& wish, const Shown* above) const {
  Shown made;
  made.key = PrivateKey::generate(KeyType::p256).value();
  made.certificate.reset(X509_new());
  X509* const out = made.certificate.get();
  X509_set_version(out, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(out), next_serial());
  X509_gmtime_adj(X509_getm_notBefore(out), -48 * 3600);
  X509_gmtime_adj(X509_getm_notAfter(out), static_cast<long>(wish.life.count()));
  add_name(X509_get_subject_name(out), "O", "Example");
  add_name(X509_get_subject_name(out), "CN", wish.name);
  X509* const issuer = above ? above->certificate.get() : out;
  X509_set_issuer_name(out, X509_get_subject_name(issuer));
  X509_set_pubkey(out, made.key.handle());
  add_extension(out, issuer, NID_basic_constraints,
                wish.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (!wish.usage.empty()) add_extension(out, issuer, NID_ext_key_usage, wish.usage);
  if (!wish.san.empty()) add_extension(out, issuer, NID_subject_alt_name, wish.san);
  const PrivateKey& signer = above ? above->key : made.key;
  REQUIRE(X509_sign(out, signer.handle(), EVP_sha256()) > 0);
  return made;
}

ClientCa::ClientCa(const std::string& name) {
  Wish wish;
  wish.name = name;
  wish.usage.clear();
  wish.authority = true;
  self_ = make(wish, nullptr);
}

ClientCa::ClientCa(const ClientCa& above, const std::string& name) {
  Wish wish;
  wish.name = name;
  wish.usage.clear();
  wish.authority = true;
  self_ = make(wish, &above.self_);
}

Shown ClientCa::issue(const Wish& wish) const { return make(wish, &self_); }

std::string ClientCa::crl(const std::vector<const X509*>& revoked,
                          std::chrono::seconds life) const {
  const std::unique_ptr<X509_CRL, FreedBy<X509_CRL_free>> list(X509_CRL_new());
  X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(self_.certificate.get()));
  const std::unique_ptr<ASN1_TIME, FreedBy<ASN1_TIME_free>> from(
      X509_gmtime_adj(nullptr, -24 * 3600));
  const std::unique_ptr<ASN1_TIME, FreedBy<ASN1_TIME_free>> until(
      X509_gmtime_adj(nullptr, static_cast<long>(life.count())));
  X509_CRL_set1_lastUpdate(list.get(), from.get());
  X509_CRL_set1_nextUpdate(list.get(), until.get());
  for (const X509* each : revoked) {
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, const_cast<ASN1_INTEGER*>(X509_get0_serialNumber(each)));
    X509_REVOKED_set_revocationDate(entry, from.get());
    X509_CRL_add0_revoked(list.get(), entry);
  }
  X509_CRL_sort(list.get());
  REQUIRE(X509_CRL_sign(list.get(), self_.key.handle(), EVP_sha256()) > 0);
  return pem_of(list.get(), PEM_write_bio_X509_CRL);
}

}  // namespace gatehouse::tls::test
