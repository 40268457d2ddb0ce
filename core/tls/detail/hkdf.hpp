#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

// HKDF (RFC 5869) as TLS 1.3 uses it (RFC 8446 §7.1). A handshake does it two dozen times: what it
// needs of OpenSSL is looked up once and kept by the thread. What is secret is wiped before a
// function returns, but for RememberedSecrets. All of them: false, OpenSSL could not or will not.

namespace gatehouse::tls::detail {

/// The hashes of TLS 1.3's suites.
enum class Hash : std::uint8_t { sha256, sha384 };
constexpr std::size_t octets_of(Hash hash) { return hash == Hash::sha256 ? 32 : 48; }
inline constexpr std::size_t most_hash_octets = 48;

using Octets = std::span<const unsigned char>;

/// While one lives on a thread, the last few secrets that labels were expanded from are kept ready
/// for more of them; all are wiped at its end. At most one a thread.
class RememberedSecrets {
 public:
  RememberedSecrets();
  RememberedSecrets(const RememberedSecrets&) = delete;
  RememberedSecrets& operator=(const RememberedSecrets&) = delete;
  ~RememberedSecrets();
};

/// RFC 5869 §2.2. `out` takes octets_of(hash).
[[nodiscard]] bool extract(Hash hash, Octets salt, Octets secret, unsigned char* out);

/// What an HkdfLabel says beside the length: `prefix` is "tls13 ".
struct HkdfLabel {
  std::string_view prefix = "tls13 ";
  std::string_view label;
  Octets context;
};

/// HKDF-Expand-Label.
[[nodiscard]] bool expand_label(Hash hash, Octets secret, const HkdfLabel& label,
                                std::span<unsigned char> out);

/// The first stage of a handshake without a pre-shared key, which has nothing to begin with and so
/// is the same for all. `out` takes octets_of(hash).
[[nodiscard]] bool first_stage(Hash hash, unsigned char* out);

/// The salt that carries one stage of the key schedule into the next: Derive-Secret(., "derived",
/// ""), where `derived` names it. `out` takes octets_of(hash).
[[nodiscard]] bool next_salt(Hash hash, Octets secret, HkdfLabel derived, unsigned char* out);

}  // namespace gatehouse::tls::detail
