#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

struct evp_cipher_st;

namespace gatehouse::tls::detail {

/// The cipher suites of TLS 1.3 whose records are made here, by their numbers (RFC 8446 §B.4).
enum class Suite : std::uint16_t {
  aes_128_gcm_sha256 = 0x1301,
  aes_256_gcm_sha384 = 0x1302,
  chacha20_poly1305_sha256 = 0x1303,
};
inline constexpr std::size_t suite_count = 3;
/// Its place among them.
constexpr std::size_t index_of(Suite suite) {
  return static_cast<std::size_t>(suite) - static_cast<std::size_t>(Suite::aes_128_gcm_sha256);
}

/// None: not one of them, or OpenSSL does not have it.
std::optional<Suite> suite_of(std::uint16_t number);
/// Null: OpenSSL does not have it.
const evp_cipher_st* cipher_of(Suite suite);
std::size_t key_octets(Suite suite);
/// Octets of the suite's hash, and so of its traffic secrets.
std::size_t secret_octets(Suite suite);

/// RFC 8446 §7.1, with an empty context. Requires: `out` is no longer than the suite's hash.
void expand_label(Suite suite, std::span<const unsigned char> secret, std::string_view label,
                  std::span<unsigned char> out);

}  // namespace gatehouse::tls::detail
