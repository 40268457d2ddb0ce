#include "core/tls/self_handshake.hpp"

#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "core/tls/handles.hpp"
#include "tests/core/tls/bench.hpp"

namespace gatehouse::tls::self_handshake_test {
namespace {

using test::test_root;

const Wall start{std::chrono::seconds(1'767'225'600)};

KeyHandle raw_key(unsigned bits) { return KeyHandle(EVP_RSA_gen(bits)); }

/// As careless CAs make them: `key` certified for `name` by `issuer` under `digest`.
X509Handle careless(const char* name, EVP_PKEY* key, const X509* issuer, EVP_PKEY* issuer_key,
                    const EVP_MD* digest) {
  X509Handle made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 4711);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 86'400);
  X509_set_pubkey(made.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC, octets(name),
                             -1, -1, 0);
  X509_set_issuer_name(made.get(), issuer == nullptr ? X509_get_subject_name(made.get())
                                                     : X509_get_subject_name(issuer));
  const std::string names = "DNS:" + std::string(name);
  const ExtensionHandle extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str()));
  X509_add_ext(made.get(), extension.get(), -1);
  X509_sign(made.get(), issuer_key, digest);
  return made;
}

std::string pem(X509* certificate) {
  const BioHandle out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), certificate);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::string pem(EVP_PKEY* key) {
  const BioHandle out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

TEST_CASE("a good certificate of any key type shakes hands with itself") {
  for (const KeyType type :
       {KeyType::p256, KeyType::p384, KeyType::ed25519, KeyType::rsa2048, KeyType::rsa3072}) {
    CAPTURE(name(type));
    CHECK(shake_hands_with_ourselves(*test::certificate_for("a.example", type)));
  }
}

TEST_CASE("names, wildcards and addresses are all checked by the client, the chain as a whole") {
  const auto key = PrivateKey::generate(KeyType::p256).value();
  const auto middle = test_root()
                          .make_intermediate("Middle", PrivateKey::generate(KeyType::p384).value(),
                                             {start, start + std::chrono::hours(720)})
                          .value();
  const auto chain = middle.issue({"*.b.example", "a.example", "192.0.2.1", "2001:db8::1"}, key,
                                  {start, start + std::chrono::hours(24)});
  REQUIRE(chain);
  const auto certificate = Certificate::parse(*chain, key);
  REQUIRE(certificate);
  CHECK((*certificate)->chain_size() == 2);
  CHECK(shake_hands_with_ourselves(**certificate));
}

TEST_CASE("a certificate without its key, or with another one's, does not get to a handshake") {
  const auto certificate = test::certificate_for("a.example");
  const auto open = Certificate::parse_public(certificate->chain_pem());
  REQUIRE(open);
  CHECK(shake_hands_with_ourselves(**open).error().fault() == Fault::bad_message);
  const auto other = PrivateKey::generate(KeyType::p256).value();
  CHECK_FALSE(Certificate::parse(certificate->chain_pem(), other));
}

TEST_CASE("what OpenSSL or its clients refuse is found out before a visitor does") {
  const KeyHandle leaf_key = raw_key(2048);
  std::string chain;
  std::string other = "server: ";
  SUBCASE("a leaf signed over SHA-1") {
    other = "client: signed over";  // from 3.5.9 on OpenSSL serves it
    const KeyHandle root_key = raw_key(2048);
    const X509Handle root = careless("root", root_key.get(), nullptr, root_key.get(), EVP_sha256());
    const X509Handle leaf =
        careless("a.example", leaf_key.get(), root.get(), root_key.get(), EVP_sha1());
    chain = pem(leaf.get());
  }
  SUBCASE("an issuer's key of 1024 bits in the chain") {
    const KeyHandle root_key = raw_key(2048);
    const KeyHandle weak_key = raw_key(1024);
    const X509Handle root = careless("root", root_key.get(), nullptr, root_key.get(), EVP_sha256());
    const X509Handle weak =
        careless("weak", weak_key.get(), root.get(), root_key.get(), EVP_sha256());
    const X509Handle leaf =
        careless("a.example", leaf_key.get(), weak.get(), weak_key.get(), EVP_sha256());
    chain = pem(leaf.get()) + pem(weak.get());
  }
  const auto certificate = Certificate::parse(chain, pem(leaf_key.get()));
  REQUIRE(certificate);
  const auto shaken = shake_hands_with_ourselves(**certificate);
  REQUIRE_FALSE(shaken);
  CHECK(shaken.error().side() == Side::ca);
  const std::string by = "handshake with ourselves: ";
  CHECK((shaken.error().detail().starts_with(by + "server: ") ||
         shaken.error().detail().starts_with(by + other)));
}

}  // namespace
}  // namespace gatehouse::tls::self_handshake_test
