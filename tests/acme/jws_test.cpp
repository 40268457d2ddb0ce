#include "acme/jws.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "core/base/bytes.hpp"
#include "core/tls/digest.hpp"
#include "tests/support/result.hpp"

namespace jws_test {

using namespace gatehouse;
using namespace gatehouse::acme;

namespace {

std::string pem(const std::string& label, const std::string& der) {
  return "-----BEGIN " + label + "-----\n" + base64(der) + "\n-----END " + label + "-----\n";
}

/// The P-256 key of RFC 7517 appendix A.2's public half, as SEC1.
tls::PrivateKey ec_key() {
  const std::string d = *from_base64url("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");
  const std::string x = *from_base64url("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
  const std::string y = *from_base64url("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
  const std::string der =
      *from_hex("30770201010420") + d + *from_hex("a00a06082a8648ce3d030107a14403420004") + x + y;
  return *tls::PrivateKey::from_pem(pem("EC PRIVATE KEY", der));
}

tls::PrivateKey ed25519_key() {
  const std::string d = *from_base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
  return *tls::PrivateKey::from_pem(
      pem("PRIVATE KEY", *from_hex("302e020100300506032b657004220420") + d));
}

nlohmann::json part(const std::string& jws, const char* name) {
  const auto json = nlohmann::json::parse(jws);
  return nlohmann::json::parse(*from_base64url(json.at(name).get<std::string>()));
}

}  // namespace

TEST_CASE("a P-256 key has the thumbprint and key authorization of its canonical JWK") {
  const tls::PrivateKey key = ec_key();
  const std::string jwk =
      R"({"crv":"P-256","kty":"EC","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
      R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";
  CHECK(canonical_jwk(key) == jwk);
  CHECK(thumbprint(key) == "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
  const std::string text = key_authorization("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA", key);
  CHECK(text ==
        "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA.oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
  CHECK(hex(tls::sha256(text)) ==
        "65a26016d215e16034b7633337b91b4a4d2c7d17761998dac51a9a49300aea52");
}

TEST_CASE("an Ed25519 key signs a POST-as-GET deterministically, octet for octet") {
  const tls::PrivateKey key = ed25519_key();
  CHECK(thumbprint(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
  JwsHeader header;
  header.url = "https://ca.example/acme/order/7";
  header.nonce = "oFvnlFP1wIhRlYS2jTaXbA";
  header.account_url = "https://ca.example/acme/acct/123";
  const auto jws = sign_jws(key, header, "");
  REQUIRE(jws);
  CHECK(
      *jws ==
      R"({"protected":"eyJhbGciOiJFZERTQSIsImtpZCI6Imh0dHBzOi8vY2EuZXhhbXBsZS9hY21lL2FjY3QvMTIz)"
      R"(Iiwibm9uY2UiOiJvRnZubEZQMXdJaFJsWVMyalRhWGJBIiwidXJsIjoiaHR0cHM6Ly9jYS5leGFtcGxlL2FjbWU)"
      R"(vb3JkZXIvNyJ9","payload":"","signature":"jMzbKG6iA2xH_i_cXY_hvirO1-obHLtI1RC7Grnd7B69Mg-)"
      R"(gBUQNLGlmG6-sL_0Mz_KaICpA97eEmcNHKJZ0Cw"})");
}

TEST_CASE("the thumbprint of an RSA key hashes e, kty and n alone") {
  // The key of RFC 7638 §3.1, public half; a thumbprint needs no more.
  const std::string n =
      "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"
      "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-"
      "65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdk"
      "t-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
  const std::string text = R"({"e":"AQAB","kty":"RSA","n":")" + n + R"("})";
  CHECK(base64url(tls::sha256(text)) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");

  const auto own = tls::PrivateKey::generate(tls::KeyType::rsa2048);
  REQUIRE(own);
  const std::string jwk = canonical_jwk(*own);
  CHECK(jwk.starts_with(R"({"e":"AQAB","kty":"RSA","n":")"));
  // 256 octets without a leading zero.
  CHECK(from_base64url(nlohmann::json::parse(jwk).at("n").get<std::string>())->size() == 256);
}

TEST_CASE("a signature by P-256 is R and S side by side, also when R is short") {
  const std::string der = *from_hex(
      "3045022000d75b2e0e3d953f9af570d827e3180c07f7d2e42280595ad80e5068878c6ed4022100c6db80288b53c7"
      "f6b8cb7e5e4dcdd7b2937866c3e939304982d4a11d2d43ce6d");
  // DER as it comes has R's sign octet; without it R fills 31 octets of 32.
  const auto raw = tls::ecdsa_raw(der, 32);
  REQUIRE(raw);
  CHECK(base64url(*raw) ==
        "ANdbLg49lT-a9XDYJ-MYDAf30uQigFla2A5QaIeMbtTG24Aoi1PH9rjLfl5Nzdeyk3hmw-k5MEmC1KEdLUPObQ");
  const tls::PrivateKey key = ec_key();
  for (int i = 0; i < 300; ++i) {
    const auto jws = sign_jws(key, JwsHeader(), std::to_string(i));
    REQUIRE(jws);
    const auto json = nlohmann::json::parse(*jws);
    CHECK(from_base64url(json.at("signature").get<std::string>())->size() == 64);
  }
}

TEST_CASE("a request carries kid or jwk, never both, and the algorithm of its key") {
  JwsHeader header;
  header.url = "https://ca.example/x";
  header.nonce = "abc";
  const auto first = sign_jws(ec_key(), header, "{}");
  REQUIRE(first);
  nlohmann::json seen = part(*first, "protected");
  CHECK(seen.at("alg") == "ES256");
  CHECK(seen.at("jwk").at("crv") == "P-256");
  CHECK_FALSE(seen.contains("kid"));
  CHECK(nlohmann::json::parse(*first).at("payload") == "e30");

  header.account_url = "https://ca.example/account/1";
  header.nonce.clear();
  const auto rsa = tls::PrivateKey::generate(tls::KeyType::rsa2048);
  REQUIRE(rsa);
  const auto second = sign_jws(*rsa, header, "");
  REQUIRE(second);
  seen = part(*second, "protected");
  CHECK(seen.at("alg") == "RS256");
  CHECK(seen.at("kid") == "https://ca.example/account/1");
  CHECK_FALSE(seen.contains("jwk"));
  CHECK_FALSE(seen.contains("nonce"));
}

TEST_CASE("an external account binding is an HS256 signature over the account's key") {
  const std::string expected =
      R"({"protected":"eyJhbGciOiJIUzI1NiIsImtpZCI6ImtpZC0xIiwidXJsIjoiaHR0cHM6Ly9jYS5leGFtcGxl)"
      R"(L2FjbWUvbmV3LWFjY291bnQifQ","payload":"eyJjcnYiOiJQLTI1NiIsImt0eSI6IkVDIiwieCI6ImY4M09K)"
      R"(M0QyeEYxQmc4dnViOXRMZTFnSE16Vjc2ZThUdXM5dVBIdlJWRVUiLCJ5IjoieF9GRXpSdTltMzZITE5fdHVlNj)"
      R"(U5TE5wWFc2cEN5U3Rpa1lqS0lXSTVhMCJ9","signature":"lFz0JJzKmeG50iWhkBhHH-pzvscOnXoTVVJ1jS)"
      R"(gXEMM"})";
  const std::string url = "https://ca.example/acme/new-account";
  const auto binding = external_account_binding(
      "kid-1", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", url, ec_key());
  REQUIRE(binding);
  CHECK(*binding == expected);
  SUBCASE("with the key pasted as padded base64") {
    const auto pasted = external_account_binding(
        "kid-1", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", url, ec_key());
    REQUIRE(pasted);
    CHECK(*pasted == expected);
  }
  SUBCASE("a key that is none is refused without being shown") {
    const auto bad = external_account_binding("kid-1", "sec!ret", url, ec_key());
    REQUIRE_FALSE(bad);
    CHECK(bad.error().detail().find("sec!ret") == std::string::npos);
    CHECK_FALSE(external_account_binding("kid-1", "", url, ec_key()));
  }
}

}  // namespace jws_test
