// The cryptography of a fake CA: keys and signatures as JOSE writes them (RFC 7515, RFC 7638).
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>

#include "core/base/bytes.hpp"
#include "core/tls/digest.hpp"
#include "tests/support/fake_ca_parts.hpp"

namespace gatehouse::test {

namespace {

using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, tls::FreedBy<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, tls::FreedBy<OSSL_PARAM_free>>;

tls::Number number(const std::string& octets) {
  return tls::Number(BN_bin2bn(tls::octets(octets), tls::int_size(octets), nullptr));
}

std::string ecdsa_der(const std::string& raw) {
  if (raw.size() != 64) return {};
  const std::unique_ptr<ECDSA_SIG, tls::FreedBy<ECDSA_SIG_free>> signature(ECDSA_SIG_new());
  ECDSA_SIG_set0(signature.get(), number(raw.substr(0, 32)).release(),
                 number(raw.substr(32)).release());
  return tls::der<i2d_ECDSA_SIG>(signature.get());
}

}  // namespace

std::string decoded(const Json& object, const char* name) {
  return *from_base64url(object.at(name).get<std::string>());
}

tls::KeyHandle public_key(const Json& jwk) {
  const bool ec = jwk.at("kty") == "EC";
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  const std::string point = ec ? "\x04" + decoded(jwk, "x") + decoded(jwk, "y") : std::string();
  tls::Number n;
  tls::Number e;
  if (ec) {
    OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
    OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                     point.size());
  } else {
    n = number(decoded(jwk, "n"));
    e = number(decoded(jwk, "e"));
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  }
  const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  const tls::KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, ec ? "EC" : "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  EVP_PKEY_fromdata_init(context.get());
  EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get());
  return tls::KeyHandle(key);
}

bool verified(const Json& jwk, const std::string& input, const std::string& signature) {
  const tls::KeyHandle key = public_key(jwk);
  if (!key) return false;
  const std::string form = jwk.at("kty") == "EC" ? ecdsa_der(signature) : signature;
  const tls::DigestContext context(EVP_MD_CTX_new());
  return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), tls::octets(form), form.size(), tls::octets(input),
                          input.size()) == 1;
}

/// nlohmann sorts members: exactly what RFC 7638 wants.
std::string thumbprint_of(const Json& jwk) { return base64url(tls::sha256(jwk.dump())); }

tls::PrivateKey fresh_key() { return *tls::PrivateKey::generate(tls::KeyType::p256); }

}  // namespace gatehouse::test
