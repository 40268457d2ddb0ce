#include <openssl/pem.h>

#include "core/base/bytes.hpp"
#include "core/tls/detail/key_decoder.hpp"
#include "core/tls/digest.hpp"
#include "core/tls/handles.hpp"
#include "core/tls/key.hpp"
#include "core/tls/seal.hpp"
#include "tests/support/result.hpp"

namespace gatehouse::tls::key_test {
namespace {

std::string raw(std::string_view base64url_text) { return from_base64url(base64url_text).value(); }

/// The test key of RFC 7515 appendix A.3 as SEC1 PEM.
std::string rfc7515_key() {
  const std::string d = raw("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");
  const std::string x = raw("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
  const std::string y = raw("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
  const std::string der = from_hex("30770201010420").value() + d +
                          from_hex("a00a06082a8648ce3d030107a14403420004").value() + x + y;
  return "-----BEGIN EC PRIVATE KEY-----\n" + base64(der).substr(0, 64) + "\n" +
         base64(der).substr(64, 64) + "\n" + base64(der).substr(128) +
         "\n-----END EC PRIVATE KEY-----\n";
}

bool verifies(const PrivateKey& key, const EVP_MD* digest, std::string_view message,
              std::string_view signature) {
  const DigestContext context(EVP_MD_CTX_new());
  EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key.handle());
  return EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(message),
                          message.size()) == 1;
}

/// R and S side by side as DER.
std::string ecdsa_der(std::string_view signature) {
  const std::size_t half = signature.size() / 2;
  std::unique_ptr<ECDSA_SIG, FreedBy<ECDSA_SIG_free>> parts(ECDSA_SIG_new());
  ECDSA_SIG_set0(parts.get(), BN_bin2bn(octets(signature), static_cast<int>(half), nullptr),
                 BN_bin2bn(octets(signature) + half, static_cast<int>(half), nullptr));
  return der<i2d_ECDSA_SIG>(parts.get());
}

TEST_CASE("a key of every type survives a round through PEM") {
  for (const KeyType type : {KeyType::p256, KeyType::p384, KeyType::p521, KeyType::ed25519,
                             KeyType::rsa2048, KeyType::rsa3072}) {
    CAPTURE(name(type));
    const auto key = PrivateKey::generate(type);
    REQUIRE(key);
    const std::string pem = key->to_pem();
    CHECK(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    const auto again = PrivateKey::from_pem(pem);
    REQUIRE(again);
    CHECK(again->type() == type);
    CHECK(again->same_public_key(*key));
    CHECK(key_type(name(type)) == type);
    const auto other = PrivateKey::generate(KeyType::p256);
    CHECK_FALSE(other->same_public_key(*key));
  }
  CHECK_FALSE(key_type("rsa"));
  CHECK_FALSE(key_type("dsa"));
}

/// As `openssl ec` and `openssl rsa` write keys: SEC1 and PKCS#1.
std::string own_form(const PrivateKey& key) {
  const BioHandle bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey_traditional(bio.get(), key.handle(), nullptr, nullptr, 0, nullptr,
                                       nullptr);
  return memory_text(bio.get());
}

TEST_CASE("plain keys are read without a search, in either form") {
  for (const KeyType type :
       {KeyType::p256, KeyType::p384, KeyType::p521, KeyType::ed25519, KeyType::rsa2048}) {
    CAPTURE(name(type));
    const auto key = PrivateKey::generate(type);
    REQUIRE(key);
    std::vector<std::string> texts{key->to_pem()};
    if (type != KeyType::ed25519) texts.push_back(own_form(*key));
    for (const std::string& pem : texts) {
      const auto read = detail::decode_plain_key(pem);
      REQUIRE(read);
      CHECK(EVP_PKEY_eq(read.get(), key->handle()) == 1);
      // A decoder that has met a damaged key reads the next as well.
      CHECK_FALSE(detail::decode_plain_key(pem.substr(0, pem.size() / 2)));
      std::string changed = pem;
      changed[changed.size() / 2] = changed[changed.size() / 2] == 'A' ? 'B' : 'A';
      static_cast<void>(detail::decode_plain_key(changed));
      CHECK(detail::decode_plain_key(pem));
    }
  }
}

TEST_CASE("keys behind something else in their file are found, too") {
  const auto key = PrivateKey::generate(KeyType::p256);
  const std::string parameters =
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  const std::string pem = parameters + own_form(*key);
  CHECK_FALSE(detail::decode_plain_key(pem));
  const auto read = PrivateKey::from_pem(pem);
  REQUIRE(read);
  CHECK(read->same_public_key(*key));
}

TEST_CASE("text that is no usable key is refused with the reason") {
  CHECK(PrivateKey::from_pem("").error().detail() ==
        "private key: no 'PRIVATE KEY' block in the text");
  CHECK(PrivateKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
            .error()
            .detail() == "private key: the block is damaged");
  CHECK(PrivateKey::from_pem("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"
                             "-----END ENCRYPTED PRIVATE KEY-----\n")
            .error()
            .detail() == "private key: is encrypted");
  const KeyHandle small(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{1024}));
  const BioHandle bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), small.get(), nullptr, nullptr, 0, nullptr, nullptr);
  CHECK(PrivateKey::from_pem(memory_text(bio.get())).error().detail() ==
        "private key: RSA of less than 2048 bits is not safe");
  const KeyHandle odd(EVP_EC_gen("secp256k1"));
  const BioHandle odd_bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(odd_bio.get(), odd.get(), nullptr, nullptr, 0, nullptr, nullptr);
  CHECK(PrivateKey::from_pem(memory_text(odd_bio.get())).error().detail() ==
        "private key: curve 'secp256k1' is none that TLS clients know");
}

TEST_CASE("public members are the octets of the JWK") {
  const auto key = PrivateKey::from_pem(rfc7515_key());
  REQUIRE(key);
  CHECK(key->type() == KeyType::p256);
  CHECK(base64url(key->public_members().x) == "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
  CHECK(base64url(key->public_members().y) == "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
  const auto rsa = PrivateKey::generate(KeyType::rsa2048);
  CHECK(base64url(rsa->public_members().e) == "AQAB");
  CHECK(rsa->public_members().n.size() == 256);
  CHECK(PrivateKey::generate(KeyType::p384)->public_members().y.size() == 48);
  CHECK(PrivateKey::generate(KeyType::ed25519)->public_members().x.size() == 32);
}

TEST_CASE("an ECDSA signature keeps its width when R is short") {
  const std::string der =
      from_hex(
          "3045022000d75b2e0e3d953f9af570d827e3180c07f7d2e42280595ad80e5068878c6ed4022100c6db80288b"
          "53c7f6b8cb7e5e4dcdd7b2937866c3e939304982d4a11d2d43ce6d")
          .value();
  const auto out = ecdsa_raw(der, 32);
  REQUIRE(out);
  CHECK(base64url(*out) ==
        "ANdbLg49lT-a9XDYJ-MYDAf30uQigFla2A5QaIeMbtTG24Aoi1PH9rjLfl5Nzdeyk3hmw-k5MEmC1KEdLUPObQ");
  const auto key = PrivateKey::from_pem(rfc7515_key());
  CHECK(verifies(*key, EVP_sha256(), "x88", ecdsa_der(*out)));
  CHECK_FALSE(ecdsa_raw(der, 31));
  CHECK_FALSE(ecdsa_raw("no signature", 32));
}

TEST_CASE("signatures verify and have the form JWS wants") {
  const auto p256 = PrivateKey::generate(KeyType::p256);
  for (int i = 0; i < 300; ++i) {  // about two of them have a short R or S
    const std::string message = "message " + std::to_string(i);
    const auto signature = p256->sign_es256_raw(message);
    REQUIRE(signature);
    REQUIRE(signature->size() == 64);
    REQUIRE(verifies(*p256, EVP_sha256(), message, ecdsa_der(*signature)));
  }
  const auto p384 = PrivateKey::generate(KeyType::p384);
  const auto wide = p384->sign_es384_raw("m");
  REQUIRE(wide);
  CHECK(wide->size() == 96);
  CHECK(verifies(*p384, EVP_sha384(), "m", ecdsa_der(*wide)));
  const auto rsa = PrivateKey::generate(KeyType::rsa2048);
  const auto pkcs1 = rsa->sign_rs256("m");
  REQUIRE(pkcs1);
  CHECK(pkcs1->size() == 256);
  CHECK(verifies(*rsa, EVP_sha256(), "m", *pkcs1));
  const auto edwards = PrivateKey::generate(KeyType::ed25519);
  CHECK(verifies(*edwards, nullptr, "m", edwards->sign_ed25519("m").value()));
  CHECK_FALSE(p384->sign_es256_raw("m"));
  CHECK_FALSE(p256->sign_es384_raw("m"));
  CHECK_FALSE(p256->sign_rs256("m"));
  CHECK_FALSE(p256->sign_ed25519("m"));
}

TEST_CASE("EdDSA signs as RFC 8037 computes it") {
  // RFC 8037 appendix A.1 and A.4, as PKCS#8.
  const std::string der = from_hex("302e020100300506032b657004220420").value() +
                          raw("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
  const auto key = PrivateKey::from_pem("-----BEGIN PRIVATE KEY-----\n" + base64(der) +
                                        "\n-----END PRIVATE KEY-----\n");
  REQUIRE(key);
  CHECK(base64url(key->public_members().x) == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
  const auto signature =
      key->sign_ed25519("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");
  CHECK(base64url(signature.value()) ==
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
}

TEST_CASE("digests are those of the standards") {
  CHECK(hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // RFC 6455 §1.3.
  CHECK(base64(sha1("dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) ==
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  // RFC 4231 test case 2.
  CHECK(hex(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(
      hex(hmac_sha384("Jefe", "what do ya want for nothing?")) ==
      "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab"
      "21649");
  CHECK(hex(hmac_sha512("Jefe", "what do ya want for nothing?")).starts_with("164b7a7bfcf819e2"));
  CHECK(hex(hmac_sha256("", "")) ==
        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
  CHECK(equal_in_constant_time("same", "same"));
  CHECK_FALSE(equal_in_constant_time("same", "sama"));
  CHECK_FALSE(equal_in_constant_time("same", "samesame"));
}

TEST_CASE("what was sealed opens with the same key and purpose only, and not once changed") {
  SystemEntropy entropy;
  const std::string key(32, 'k');
  const auto sealed = seal(key, "secret", "a.example/key.pem", entropy);
  REQUIRE(sealed);
  CHECK(sealed->size() == 12 + 6 + 16);
  CHECK(unseal(key, *sealed, "a.example/key.pem").value() == "secret");
  CHECK(unseal(key, *sealed, "b.example/key.pem").error().fault() == Fault::denied);
  CHECK(unseal(std::string(32, 'q'), *sealed, "a.example/key.pem").error().fault() ==
        Fault::denied);
  for (std::size_t i = 0; i < sealed->size(); ++i) {
    std::string changed = *sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    REQUIRE_FALSE(unseal(key, changed, "a.example/key.pem"));
  }
  CHECK(unseal(key, "short", "").error().fault() == Fault::bad_message);
  CHECK(seal("short", "secret", "", entropy).error().fault() == Fault::bad_message);
  CHECK(unseal(key, seal(key, "", "", entropy).value(), "").value().empty());
}

}  // namespace
}  // namespace gatehouse::tls::key_test
