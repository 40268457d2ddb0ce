#include "core/tls/certificate.hpp"

#include "core/base/bytes.hpp"
#include "core/tls/certificate_authority.hpp"
#include "core/tls/certificate_request.hpp"
#include "core/tls/digest.hpp"
#include "core/tls/handles.hpp"
#include "tests/support/result.hpp"

namespace gatehouse::tls::certificate_test {
namespace {

using std::chrono::hours;

const Wall start{std::chrono::seconds(1'767'225'600)};

PrivateKey make_key(KeyType type = KeyType::p256) { return PrivateKey::generate(type).value(); }

/// A root, an intermediate below it and a way to leaves.
struct Authority {
  CertificateAuthority root =
      CertificateAuthority::make_root("Test Root", make_key(), {start, start + hours(87600)})
          .value();
  CertificateAuthority intermediate =
      root.make_intermediate("Test Intermediate", make_key(), {start, start + hours(720)}).value();

  std::string issue(const std::vector<std::string>& names, const PrivateKey& key) const {
    return intermediate.issue(names, key, {start, start + hours(168)}).value();
  }
};

/// OpenSSL's own judgement of a chain below `root` for a server named `host`.
std::string verdict(const Certificate& certificate, const Certificate& root, const char* host,
                    Wall now) {
  const std::unique_ptr<X509_STORE, FreedBy<X509_STORE_free>> store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), root.leaf());
  const std::unique_ptr<X509_STORE_CTX, FreedBy<X509_STORE_CTX_free>> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), certificate.leaf(), certificate.chain());
  X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(rules, std::chrono::system_clock::to_time_t(now));
  X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_X509_STRICT);
  X509_VERIFY_PARAM_set1_host(rules, host, 0);
  X509_verify_cert(context.get());
  return X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

TEST_CASE("a certificate tells what is in it") {
  const Authority authority;
  const PrivateKey key = make_key();
  const auto read = Certificate::parse(
      authority.issue({"a.example", "*.b.example", "192.0.2.1", "2001:db8::1"}, key), key);
  REQUIRE(read);
  const Certificate& leaf = **read;
  CHECK(leaf.names() ==
        std::vector<std::string>{"a.example", "*.b.example", "192.0.2.1", "2001:db8::1"});
  CHECK(leaf.covers("a.example"));
  CHECK(leaf.covers("x.b.example"));
  CHECK(leaf.covers("2001:db8::1"));
  CHECK_FALSE(leaf.covers("b.example"));
  CHECK_FALSE(leaf.covers("y.x.b.example"));
  CHECK_FALSE(leaf.covers("x.a.example"));
  CHECK(leaf.not_before() == start);
  CHECK(leaf.not_after() == start + hours(168));
  CHECK(leaf.subject_common_name() == "");
  CHECK(leaf.issuer_common_name() == "Test Intermediate");
  CHECK(leaf.last_issuer_common_name() == "Test Root");
  CHECK(leaf.chain_size() == 2);
  CHECK(leaf.serial().size() == 16);
  CHECK(leaf.serial_hex() == hex(leaf.serial()));
  CHECK(leaf.authority_key_id().size() == 20);
  CHECK(leaf.key_type() == KeyType::p256);
  CHECK_FALSE(leaf.must_staple());
  CHECK_FALSE(leaf.self_signed());
  CHECK(leaf.fits(key));
  CHECK_FALSE(leaf.fits(make_key()));
  CHECK(leaf.fingerprint() == sha256(leaf.leaf_der()));
  CHECK(Certificate::parse_public(leaf.chain_pem()).value()->chain_pem() == leaf.chain_pem());
  CHECK(leaf.chain_pem().starts_with(leaf.leaf_pem()));
}

TEST_CASE("what an ARI request is made of keeps the serial's leading zero") {
  const auto read = Certificate::parse_public(
      "-----BEGIN CERTIFICATE-----\n"
      "MIIBjDCCATKgAwIBAgIRAPOhnAAn1LboEQIDBAUGBwgwCgYIKoZIzj0EAwIwHjEc\n"
      "MBoGA1UEAwwTR2F0ZWhvdXNlIFZlY3RvciBDQTAeFw0yNjExMjAyMTA2MDVaFw0y\n"
      "NzAyMTgyMTA2MDVaMAAwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASEdVQrG1p7\n"
      "t6kMnxBY9LKoCyQRJ16rGOEIUbFq7DUwKC0j4cqdufj/r443xdciww/ypcJvTbB9\n"
      "WSbFe5PivqHzo28wbTAMBgNVHRMBAf8EAjAAMB8GA1UdIwQYMBaAFBC6ZB4c+6Ke\n"
      "mKWPDGSWNesOZXWVMB0GA1UdEQEB/wQTMBGCD3d3dy5leGFtcGxlLmNvbTAdBgNV\n"
      "HQ4EFgQURU8bn6aSDuvYlACaGmGUm9oEdlwwCgYIKoZIzj0EAwIDSAAwRQIhAMyn\n"
      "xpTcNP7QY9TnHcM5ancxaZL6Sga+zZFxSZExfAIbAiBBAXNs0+VAwiXs/rcvNv7+\n"
      "LNmYabJT3jshA3vOmPUP5w==\n"
      "-----END CERTIFICATE-----\n");
  REQUIRE(read);
  CHECK(base64url((*read)->authority_key_id()) + "." + base64url((*read)->serial()) ==
        "ELpkHhz7op6YpY8MZJY16w5ldZU.APOhnAAn1LboEQIDBAUGBwg");
  CHECK((*read)->names() == std::vector<std::string>{"www.example.com"});
  CHECK_FALSE((*read)->key());
}

TEST_CASE("a chain that does not fit is refused with the reason") {
  const Authority authority;
  const Authority other;
  const PrivateKey key = make_key();
  const std::string pem = authority.issue({"a.example"}, key);
  const auto detail = [](const Result<CertificatePointer>& result) {
    REQUIRE_FALSE(result);
    return result.error().detail();
  };
  CHECK(detail(Certificate::parse("", key)) == "certificate: no 'CERTIFICATE' block in the text");
  CHECK(detail(Certificate::parse(pem, make_key())) ==
        "certificate: the private key belongs to another certificate");
  CHECK(detail(Certificate::parse(pem.substr(0, 200), key))
            .starts_with("certificate: block 1 is damaged"));
  const std::string leaf = Certificate::parse(pem, key).value()->leaf_pem();
  CHECK(detail(Certificate::parse(leaf + other.intermediate.certificate_pem(), key)) ==
        "certificate: number 2 of the chain has not signed number 1");
  CHECK(detail(Certificate::parse(leaf + authority.root.certificate_pem(), key)) ==
        "certificate: number 2 of the chain has not signed number 1");
  const std::string below = Certificate::parse(pem, key).value()->chain_pem();
  CHECK(detail(Certificate::parse(below.substr(0, below.size() - 100), key))
            .starts_with("certificate: block 2 is damaged"));
  CHECK(detail(Certificate::parse(below + other.root.certificate_pem(), key)) ==
        "certificate: number 3 of the chain has not signed number 2");
  CHECK(detail(Certificate::parse(pem, "no key")) ==
        "private key: no 'PRIVATE KEY' block in the text");
}

TEST_CASE("leaves of the authority satisfy a strict verifier within their dates") {
  for (const KeyType type : {KeyType::p256, KeyType::p384, KeyType::rsa2048}) {
    CAPTURE(name(type));
    const auto root =
        CertificateAuthority::make_root("Root", make_key(type), {start, start + hours(87600)});
    REQUIRE(root);
    const auto intermediate =
        root->make_intermediate("Intermediate", make_key(), {start, start + hours(720)});
    REQUIRE(intermediate);
    const PrivateKey key = make_key(type);
    const auto leaf = Certificate::parse(
        intermediate->issue({"a.example", "*.b.example"}, key, {start, start + hours(168)}).value(),
        key);
    REQUIRE(leaf);
    const Certificate& top = root->certificate();
    CHECK(verdict(**leaf, top, "a.example", start + hours(1)) == "ok");
    CHECK(verdict(**leaf, top, "x.b.example", start + hours(1)) == "ok");
    CHECK(verdict(**leaf, top, "c.example", start + hours(1)) == "hostname mismatch");
    CHECK(verdict(**leaf, top, "a.example", start + hours(169)) == "certificate has expired");
  }
}

TEST_CASE("nothing is issued past the end of its issuer") {
  const Authority authority;
  const auto leaf = authority.intermediate.issue({"a.example"}, make_key(),
                                                 {start + hours(700), start + hours(868)});
  CHECK(Certificate::parse_public(leaf.value()).value()->not_after() == start + hours(720));
}

TEST_CASE("an authority comes back from its stored PEM and issues on") {
  const Authority authority;
  const auto again = CertificateAuthority::load(authority.intermediate.certificate_pem(),
                                                authority.intermediate.key_pem());
  REQUIRE(again);
  const PrivateKey key = make_key();
  const auto leaf =
      Certificate::parse(again->issue({"a.example"}, key, {start, start + hours(1)}).value(), key);
  CHECK(verdict(**leaf, authority.root.certificate(), "a.example", start) == "ok");
  CHECK(CertificateAuthority::load(authority.issue({"a.example"}, key), key.to_pem())
            .error()
            .detail() == "certificate: is none of an authority");
}

TEST_CASE("a challenge certificate carries exactly what RFC 8737 asks for") {
  const std::string digest = sha256(
      "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA.oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
  const auto made = make_tls_alpn_certificate("www.example.com", digest, start);
  REQUIRE(made);
  const std::string der = (*made)->leaf_der();
  const std::string extension =
      from_hex(
          "303106082b0601050507011f0101ff0422042065a26016d215e16034b7633337b91b4a4d2c7d17761998dac5"
          "1a9a49300aea52")
          .value();
  CHECK(der.find(extension) != std::string::npos);
  CHECK((*made)->names() == std::vector<std::string>{"www.example.com"});
  X509* leaf = (*made)->leaf();
  CHECK(X509_NAME_cmp(X509_get_subject_name(leaf), X509_get_issuer_name(leaf)) == 0);
  CHECK(X509_verify(leaf, X509_get0_pubkey(leaf)) == 1);
  CHECK(X509_get_ext_count(leaf) == 2);

  const auto address = make_tls_alpn_certificate("2001:db8::1", digest, start);
  REQUIRE(address);
  CHECK((*address)->names() == std::vector<std::string>{"2001:db8::1"});
  CHECK_FALSE(make_tls_alpn_certificate("www.example.com", "short", start));
}

TEST_CASE("a request names all names, has no subject and proves the key") {
  for (const KeyType type :
       {KeyType::p256, KeyType::p384, KeyType::p521, KeyType::ed25519, KeyType::rsa2048}) {
    CAPTURE(name(type));
    const PrivateKey key = make_key(type);
    const auto der =
        make_certificate_request({"a.example", "*.b.example", "192.0.2.1"}, key, MustStaple::yes);
    REQUIRE(der);
    const unsigned char* at = octets(*der);
    const RequestHandle request(d2i_X509_REQ(nullptr, &at, static_cast<long>(der->size())));
    REQUIRE(request);
    CHECK(X509_REQ_verify(request.get(), X509_REQ_get0_pubkey(request.get())) == 1);
    CHECK(EVP_PKEY_eq(X509_REQ_get0_pubkey(request.get()), key.handle()) == 1);
    CHECK(tls::der<i2d_X509_PUBKEY>(X509_REQ_get_X509_PUBKEY(request.get())) == key.public_der());
    CHECK(X509_NAME_entry_count(X509_REQ_get_subject_name(request.get())) == 0);
    const Extensions extensions(X509_REQ_get_extensions(request.get()));
    REQUIRE(sk_X509_EXTENSION_num(extensions.get()) == 2);
    const AltNames names(static_cast<GENERAL_NAMES*>(
        X509V3_get_d2i(extensions.get(), NID_subject_alt_name, nullptr, nullptr)));
    CHECK(sk_GENERAL_NAME_num(names.get()) == 3);
    CHECK(X509v3_get_ext_by_NID(extensions.get(), NID_tlsfeature, -1) >= 0);
  }
  CHECK_FALSE(make_certificate_request({}, make_key()));
  const auto plain = make_certificate_request({"a.example"}, make_key());
  CHECK(plain->find(std::string("\x2b\x06\x01\x05\x05\x07\x01\x18", 8)) == std::string::npos);
}

TEST_CASE("a set of certificates puts ECDSA first and expires with its first member") {
  const Authority authority;
  const PrivateKey rsa = make_key(KeyType::rsa2048);
  const PrivateKey ecdsa = make_key();
  const auto early = Certificate::parse(
      authority.intermediate.issue({"a.example"}, rsa, {start, start + hours(10)}).value(), rsa);
  const auto late = Certificate::parse(authority.issue({"a.example"}, ecdsa), ecdsa);
  const CertificateHandle set = make_certificate_set({*early, *late});
  CHECK(set->by_preference.front() == *late);
  CHECK(set->not_after == start + hours(10));
}

TEST_CASE("a chain may be as long as the way to its root") {
  const Authority authority;
  const PrivateKey key = make_key();
  const std::string pem = authority.issue({"a.example"}, key) + authority.root.certificate_pem();
  for (const int again : {1, 2}) {
    CAPTURE(again);  // the second time its issuers are known
    const auto read = Certificate::parse(pem, key);
    REQUIRE(read);
    CHECK((*read)->chain_size() == 3);
    CHECK((*read)->chain_pem() == pem);
    CHECK((*read)->last_issuer_common_name() == "Test Root");
  }
}

TEST_CASE("certificates that share an intermediate share it in memory") {
  const Authority authority;
  const auto one = Certificate::parse_public(authority.issue({"a.example"}, make_key()));
  const auto two = Certificate::parse_public(authority.issue({"b.example"}, make_key()));
  CHECK(sk_X509_value((*one)->chain(), 0) == sk_X509_value((*two)->chain(), 0));
}

}  // namespace
}  // namespace gatehouse::tls::certificate_test
