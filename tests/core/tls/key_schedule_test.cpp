#include "core/tls/detail/key_schedule.hpp"

#include <doctest/doctest.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/provider.h>

#include <optional>

#include "core/base/bytes.hpp"
#include "core/tls/detail/hkdf.hpp"
#include "core/tls/handles.hpp"
#include "tests/core/tls/bench.hpp"

namespace gatehouse::tls::test::key_schedule_test {
namespace {

using Derivation = std::unique_ptr<EVP_KDF, FreedBy<EVP_KDF_free>>;
using DerivationContext = std::unique_ptr<EVP_KDF_CTX, FreedBy<EVP_KDF_CTX_free>>;

/// What libssl tells the derivation.
struct Asked {
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  std::string hash = "SHA2-256";
  std::optional<std::string> secret;
  std::optional<std::string> salt;
  std::string label = "derived";
  std::optional<std::string> context;
  std::size_t size = 32;
};

Derivation fetched(const char* properties) {
  return Derivation(EVP_KDF_fetch(nullptr, OSSL_KDF_NAME_TLS1_3_KDF, properties));
}

OSSL_PARAM octet_parameter(const char* key, const std::string& value) {
  return OSSL_PARAM_construct_octet_string(key, const_cast<char*>(value.data()), value.size());
}

/// Hex; "failed".
std::string derived(const char* properties, Asked asked) {
  const Derivation kdf = fetched(properties);
  const DerivationContext context(EVP_KDF_CTX_new(kdf.get()));
  const std::string prefix = "tls13 ";
  std::vector<OSSL_PARAM> parameters;
  parameters.push_back(OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &asked.mode));
  parameters.push_back(
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, asked.hash.data(), 0));
  if (asked.secret) parameters.push_back(octet_parameter(OSSL_KDF_PARAM_KEY, *asked.secret));
  if (asked.salt) parameters.push_back(octet_parameter(OSSL_KDF_PARAM_SALT, *asked.salt));
  parameters.push_back(octet_parameter(OSSL_KDF_PARAM_PREFIX, prefix));
  parameters.push_back(octet_parameter(OSSL_KDF_PARAM_LABEL, asked.label));
  if (asked.context) parameters.push_back(octet_parameter(OSSL_KDF_PARAM_DATA, *asked.context));
  parameters.push_back(OSSL_PARAM_construct_end());
  std::string out(asked.size, '\0');
  const bool good = EVP_KDF_derive(context.get(), octets(out), out.size(), parameters.data()) == 1;
  ERR_clear_error();
  return good ? hex(out) : "failed";
}

/// By ours and by OpenSSL's own: the same?
std::string ours(const Asked& asked) { return derived(detail::provider_query(), asked); }
std::string theirs(const Asked& asked) { return derived("provider=default", asked); }

TEST_CASE("contexts of TLS find our key schedule, and everything else where it always was") {
  REQUIRE(detail::provider_query() != nullptr);
  const Derivation kdf = fetched(detail::provider_query());
  REQUIRE(kdf);
  CHECK(std::string(OSSL_PROVIDER_get0_name(EVP_KDF_get0_provider(kdf.get()))) == "gatehouse");
  const Derivation plain = fetched("provider=default");
  REQUIRE(plain);
  const CipherHandle cipher(EVP_CIPHER_fetch(nullptr, "AES-128-GCM", detail::provider_query()));
  REQUIRE(cipher);
  CHECK(std::string(OSSL_PROVIDER_get0_name(EVP_CIPHER_get0_provider(cipher.get()))) == "default");
  // A machine that demands FIPS must not get ours.
  CHECK_FALSE(fetched("?provider=gatehouse,fips=yes"));
  ERR_clear_error();
}

constexpr const char* hashes[] = {"SHA2-256", "SHA2-384", "SHA256", "SHA384"};

std::size_t size_of(std::string_view hash) { return hash.ends_with("256") ? 32 : 48; }

void check_same(const Asked& asked) {
  CHECK(ours(asked) == theirs(asked));
  CHECK(ours(asked) != "failed");
}

TEST_CASE(
    "the stages are OpenSSL's: from nothing or a known key, with a shared secret, to the end") {
  for (const char* hash : hashes) {
    CAPTURE(hash);
    Asked asked;
    asked.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY;
    asked.hash = hash;
    asked.size = size_of(hash);
    check_same(asked);
    asked.secret = std::string(asked.size, 'p');
    check_same(asked);
    asked.salt = std::string(asked.size, 's');
    for (const std::size_t shared : {1U, 32U, 48U, 66U, 96U, 1120U}) {
      asked.secret = std::string(shared, 'x');
      check_same(asked);
    }
    asked.secret.reset();
    check_same(asked);
  }
}

TEST_CASE("secrets, keys and nonces are OpenSSL's, with any label and context") {
  for (const char* hash : hashes) {
    CAPTURE(hash);
    Asked asked;
    asked.hash = hash;
    asked.secret = std::string(size_of(hash), 's');
    for (const char* label : {"c hs traffic", "key", "iv", "finished", "x"}) {
      asked.label = label;
      for (const std::size_t wanted : {12U, 16U, 32U, 48U, 49U, 200U}) {
        asked.size = wanted;
        asked.context.reset();
        check_same(asked);
        asked.context = std::string(size_of(hash), 'h');
        check_same(asked);
      }
    }
    asked.label = std::string(249, 'l');  // the longest: "tls13 " comes before it
    asked.context = std::string(255, 'h');
    check_same(asked);
    asked.secret = std::string(200, 's');  // longer than a block of the hash
    check_same(asked);
  }
}

TEST_CASE("secrets that are remembered give the same, however many there are and in any order") {
  const auto check_all = [] {
    for (int turn = 0; turn < 3; ++turn) {
      for (const char* hash : hashes) {
        for (const char secret : {'a', 'b', 'a', 'c', 'd', 'e', 'a', 'b'}) {
          Asked asked;
          asked.hash = hash;
          asked.secret = std::string(size_of(hash), secret);
          asked.label = turn == 0 ? "key" : "iv";
          check_same(asked);
          asked.size = 100;
          check_same(asked);
        }
      }
    }
  };
  {
    const detail::RememberedSecrets remembered;
    check_all();
  }
  check_all();
  const detail::RememberedSecrets again;
  check_all();
}

TEST_CASE("what makes no sense is no key") {
  Asked asked;
  asked.secret = std::string(32, 's');
  CHECK(ours(asked) != "failed");

  SUBCASE("without a secret") { asked.secret.reset(); }
  SUBCASE("a hash that TLS 1.3 does not know") { asked.hash = "MD5"; }
  SUBCASE("both steps in one, which TLS never wants") {
    asked.mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;
  }
  SUBCASE("a label too long") { asked.label = std::string(250, 'l'); }
  SUBCASE("a context too long") { asked.context = std::string(256, 'c'); }
  SUBCASE("more octets than HKDF gives") { asked.size = 255 * 32 + 1; }
  SUBCASE("a stage of another size than the hash") {
    asked.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY;
    asked.size = 33;
  }
  CHECK(ours(asked) == "failed");
}

// RFC 8448 §3: early secret, handshake secret, master secret of "Simple 1-RTT Handshake".
TEST_CASE("the stages come out as RFC 8448 says") {
  Asked early;
  early.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY;
  const std::string first = ours(early);
  CHECK(first == "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a");
  Asked handshake = early;
  handshake.salt = from_hex(first).value();
  handshake.secret =
      from_hex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d").value();
  const std::string second = ours(handshake);
  CHECK(second == "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac");
  Asked master = early;
  master.salt = from_hex(second).value();
  CHECK(ours(master) == "18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919");
}

}  // namespace
}  // namespace gatehouse::tls::test::key_schedule_test
