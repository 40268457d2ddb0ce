#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/tls/detail/aead_key.hpp"

namespace gatehouse::tls::detail {

/// RFC 8446 §5.1.
enum class ContentType : std::uint8_t {
  change_cipher_spec = 20,
  alert = 21,
  handshake = 22,
  application_data = 23,
};

inline constexpr std::size_t most_content = 16 * 1024;  // of one record
inline constexpr std::size_t header_octets = 5;
inline constexpr std::size_t tag_octets = 16;
/// A record of `content` octets without padding: header, type and tag besides.
constexpr std::size_t sealed_octets(std::size_t content) {
  return header_octets + content + 1 + tag_octets;
}

/// A traffic secret, with the key and the nonces' mask where they have been made of it already.
struct TrafficKey {
  // NOLINTNEXTLINE(google-explicit-constructor): mostly there is no more than the secret.
  TrafficKey(std::span<const unsigned char> traffic_secret) : secret(traffic_secret) {}
  std::span<const unsigned char> secret;
  std::span<const unsigned char> key;
  std::span<const unsigned char> iv;
};

/// One direction of TLS 1.3 records: the traffic secret, the key and nonces made of it, and how
/// many records they have protected (RFC 8446 §5.2, §5.3, §7.2, §7.3). A connection that waits
/// costs no more than this object (most_loaded). Everything secret is wiped when it goes.
class RecordKey {
 public:
  /// Its secret has secret_octets(); `sequence`: records its key has protected already.
  RecordKey(Suite suite, const TrafficKey& from, std::uint64_t sequence);
  RecordKey(const RecordKey&) = delete;
  RecordKey& operator=(const RecordKey&) = delete;
  ~RecordKey();

  std::uint64_t sequence() const { return sequence_; }
  /// The next secret takes the place of this one.
  void update();
  /// No record is expected for a while.
  void rest() { key_.unload(); }
  /// Makes one record of at most most_content octets at `out`, which has room for it and may not
  /// overlap them. False: OpenSSL failed, or the sequence is at its end.
  bool seal(ContentType type, std::string_view content, char* out);
  /// Opens `record`: a whole one, header included, with a tag at least. What was inside, type and
  /// padding included, comes out at `out` but for its last octet, which is `last` (0 where there
  /// was nothing inside). `out` may be where the inside of the record is, and nothing else of it.
  /// False: it was not made with this key, or is out of its turn; `out` may have been written to.
  bool open(std::span<const char> record, char* out, unsigned char& last);

 private:
  std::span<unsigned char> secret();

  AeadKey key_;
  std::uint64_t sequence_;
  std::array<unsigned char, 48> secret_{};
};

}  // namespace gatehouse::tls::detail
