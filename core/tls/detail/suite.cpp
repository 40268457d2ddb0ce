#include "core/tls/detail/suite.hpp"

#include <array>
#include <new>

#include "core/tls/detail/hkdf.hpp"
#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {
namespace {

struct Traits {
  const char* cipher;
  Hash hash;
  std::size_t key_octets;
};
constexpr std::array<Traits, suite_count> traits{{{"AES-128-GCM", Hash::sha256, 16},
                                                  {"AES-256-GCM", Hash::sha384, 32},
                                                  {"ChaCha20-Poly1305", Hash::sha256, 32}}};

const Traits& traits_of(Suite suite) { return traits[index_of(suite)]; }

}  // namespace

std::optional<Suite> suite_of(std::uint16_t number) {
  const auto suite = static_cast<Suite>(number);
  switch (suite) {
    case Suite::aes_128_gcm_sha256:
    case Suite::aes_256_gcm_sha384:
    case Suite::chacha20_poly1305_sha256:
      return cipher_of(suite) != nullptr ? std::optional(suite) : std::nullopt;
  }
  return std::nullopt;
}

// Looking an algorithm up costs more than using it. Never freed: at exit OpenSSL's own clean-up, or
// a thread that still serves, may come first.

const EVP_CIPHER* cipher_of(Suite suite) {
  static const auto ciphers = [] {
    std::array<EVP_CIPHER*, suite_count> out{};
    for (std::size_t i = 0; i < suite_count; ++i) {
      out[i] = EVP_CIPHER_fetch(nullptr, traits[i].cipher, nullptr);
    }
    return out;
  }();
  return ciphers[index_of(suite)];
}

std::size_t key_octets(Suite suite) { return traits_of(suite).key_octets; }

std::size_t secret_octets(Suite suite) { return octets_of(traits_of(suite).hash); }

void expand_label(Suite suite, std::span<const unsigned char> secret, std::string_view label,
                  std::span<unsigned char> out) {
  HkdfLabel what;
  what.label = label;
  if (!expand_label(traits_of(suite).hash, secret, what, out)) throw std::bad_alloc();
}

}  // namespace gatehouse::tls::detail
