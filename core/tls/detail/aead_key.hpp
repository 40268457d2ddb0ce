#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/tls/detail/suite.hpp"

struct evp_cipher_ctx_st;

namespace gatehouse::tls::detail {

/// What OpenSSL holds to use a key is a kilobyte, too much for a connection that waits; to make it
/// takes as long as a short record. So a thread has as many as a busy worker needs, and no more:
/// they stay with the keys that were used last. A key that finds its own taken is loaded anew.
inline constexpr std::size_t most_loaded = 1024;  // of a suite

inline constexpr std::size_t nonce_octets = 12;

/// A key of an AEAD and the mask of its nonces (RFC 8446 §5.3). Used by one thread at a time; wiped
/// when it goes, also where it was loaded.
class AeadKey {
 public:
  enum class Way : std::uint8_t { seal, open };

  explicit AeadKey(Suite suite) : suite_(suite) {}
  AeadKey(const AeadKey&) = delete;
  AeadKey& operator=(const AeadKey&) = delete;
  ~AeadKey();

  Suite suite() const { return suite_; }
  /// Both take the place of the key before. Requires: sizes that the suite has.
  void set(std::span<const unsigned char> key, std::span<const unsigned char> iv);
  void derive(std::span<const unsigned char> secret);

  /// The thread's, ready for the record of this number. Null: OpenSSL failed. Good until the next
  /// call for any key.
  evp_cipher_ctx_st* ready(Way way, std::uint64_t sequence);
  /// It will not be used for a while.
  void unload();

 private:
  std::span<unsigned char> key();
  void begin();  // as another key

  std::uint64_t id_ = 0;  // of this very key, unlike any other in this process; 0: none
  Suite suite_;
  std::uint16_t place_ = 0;  // where it was loaded last
  std::array<unsigned char, nonce_octets> iv_{};
  std::array<unsigned char, 32> key_{};
};

}  // namespace gatehouse::tls::detail
