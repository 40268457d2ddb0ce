#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/tls/detail/record_key.hpp"

namespace gatehouse::tls::detail {

/// What a server learns while it shakes hands in TLS 1.3 that its records need afterwards: both
/// traffic secrets and what OpenSSL makes of them, as they are derived, and how many records have
/// gone under them so far. They are in no log, and wiped with this object.
class TrafficSecrets {
 public:
  TrafficSecrets() = default;
  TrafficSecrets(const TrafficSecrets&) = delete;
  TrafficSecrets& operator=(const TrafficSecrets&) = delete;
  ~TrafficSecrets();

  /// A derivation (RFC 8446 §7.1, §7.3): what came out of a secret for a label. Those that are not
  /// of our kind are passed by.
  void hear(std::string_view label, std::span<const unsigned char> from,
            std::span<const unsigned char> out) noexcept;
  /// OpenSSL has made a record.
  void wrote_record() { server_.records += server_.secret.size > 0 ? 1 : 0; }
  /// OpenSSL has begun to read one.
  void read_record() { client_.records += client_.secret.size > 0 ? 1 : 0; }

  /// Empty: not heard.
  std::span<const unsigned char> client() const { return client_.secret.octets(); }
  std::span<const unsigned char> server() const { return server_.secret.octets(); }
  TrafficKey client_key() const { return client_.all(); }
  TrafficKey server_key() const { return server_.all(); }
  std::uint64_t read_records() const { return client_.records; }
  std::uint64_t written_records() const { return server_.records; }

 private:
  struct Heard {
    std::array<unsigned char, 48> room{};
    std::size_t size = 0;
    std::span<const unsigned char> octets() const { return std::span(room).first(size); }
    void put(std::span<const unsigned char> heard);
    void wipe();
  };
  struct Direction {
    Heard secret;
    Heard key;
    Heard iv;
    std::uint64_t records = 0;
    TrafficKey all() const;
    void hear(std::string_view label, std::span<const unsigned char> out);
    void wipe();
  };
  Direction client_;
  Direction server_;
};

}  // namespace gatehouse::tls::detail
