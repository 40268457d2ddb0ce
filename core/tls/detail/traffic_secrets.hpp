#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace gatehouse::tls::detail {

/// What a server learns while it shakes hands in TLS 1.3 that its records need afterwards: both
/// traffic secrets, as OpenSSL tells them to its key log, and what has gone under them so far.
/// They are in no log, and wiped with this object.
class TrafficSecrets {
 public:
  TrafficSecrets() = default;
  TrafficSecrets(const TrafficSecrets&) = delete;
  TrafficSecrets& operator=(const TrafficSecrets&) = delete;
  ~TrafficSecrets();

  /// A line of the key log: "LABEL random secret", the last two in hex.
  void hear(std::string_view line) noexcept;
  /// OpenSSL has made a record.
  void wrote_record() { server_.records += server_.size > 0 ? 1 : 0; }
  /// OpenSSL has begun to read one.
  void read_record() { client_.records += client_.size > 0 ? 1 : 0; }

  /// Empty: not heard.
  std::span<const unsigned char> client() const { return client_.secret(); }
  std::span<const unsigned char> server() const { return server_.secret(); }
  std::uint64_t read_records() const { return client_.records; }
  std::uint64_t written_records() const { return server_.records; }

 private:
  struct Direction {
    std::array<unsigned char, 48> octets{};
    std::size_t size = 0;
    std::uint64_t records = 0;
    std::span<const unsigned char> secret() const { return std::span(octets).first(size); }
  };
  Direction client_;
  Direction server_;
};

}  // namespace gatehouse::tls::detail
