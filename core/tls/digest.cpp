#include "core/tls/digest.hpp"

#include <openssl/hmac.h>

#include <new>

#include "core/tls/handles.hpp"

namespace gatehouse::tls {
namespace {

std::string digest(const EVP_MD* kind, std::string_view input) {
  std::string out(static_cast<std::size_t>(EVP_MD_get_size(kind)), '\0');
  // Fails for want of memory alone.
  if (EVP_Digest(input.data(), input.size(), octets(out), nullptr, kind, nullptr) != 1) {
    throw std::bad_alloc();
  }
  return out;
}

std::string hmac(const EVP_MD* kind, std::string_view key, std::string_view input) {
  std::string out(static_cast<std::size_t>(EVP_MD_get_size(kind)), '\0');
  unsigned int size = 0;
  // A null key would mean "the key of last time": an empty one is given as "".
  const char* secret = key.empty() ? "" : key.data();
  if (HMAC(kind, secret, int_size(key), octets(input), input.size(), octets(out), &size) ==
      nullptr) {
    throw std::bad_alloc();
  }
  return out;
}

}  // namespace

std::string sha256(std::string_view input) { return digest(EVP_sha256(), input); }
std::string sha1(std::string_view input) { return digest(EVP_sha1(), input); }

std::string hmac_sha256(std::string_view key, std::string_view input) {
  return hmac(EVP_sha256(), key, input);
}
std::string hmac_sha384(std::string_view key, std::string_view input) {
  return hmac(EVP_sha384(), key, input);
}
std::string hmac_sha512(std::string_view key, std::string_view input) {
  return hmac(EVP_sha512(), key, input);
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace gatehouse::tls
