#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/base/error.hpp"
#include "core/tls/detail/record_key.hpp"
#include "core/tls/tls_stream.hpp"

namespace gatehouse::tls::detail {

/// RFC 8446 §6.
enum class Alert : std::uint8_t {
  close_notify = 0,
  unexpected_message = 10,
  bad_record_mac = 20,
  record_overflow = 22,
  illegal_parameter = 47,
  decode_error = 50,
  user_canceled = 90,
};

/// What a TLS 1.3 server says and hears once its handshake is done (RFC 8446 §4.6.3, §5, §6):
/// records in, content out, and the other way. Octets only: no socket, no clock, no buffer.
/// A client may send data, KeyUpdate and alerts; all else ends the connection, as do records that
/// are too large, out of turn, or too many without data.
class RecordLayer {
 public:
  enum class State : std::uint8_t {
    partial,  // no whole record: nothing was taken
    taken,    // one record, with or without data
    end,      // close_notify; the rest means nothing
    failed,   // problem() and alert() say why
  };
  struct Received {
    State state = State::partial;
    std::size_t octets = 0;  // of the record taken
    std::span<char> data;
  };

  RecordLayer(Suite suite, const TrafficKey& client, const TrafficKey& server, std::uint64_t sealed,
              const RecordLimits& limits);

  /// Takes the first record of `octets`. Its data comes out at the start of `into` where that has
  /// most_data_in() octets, else in the place of the record. After `end` or `failed`: no more.
  Received receive(std::span<char> octets, std::span<char> into);
  /// True when receive() would not say `partial`.
  static bool whole(std::span<const char> octets);
  /// Octets of data that the record at the start of `octets` may hold. Requires: whole().
  static std::size_t most_data_in(std::span<const char> octets);

  /// What send() needs to have at hand for `content` octets (at most most_content).
  static constexpr std::size_t most_sent(std::size_t content) {
    return sealed_octets(content) + sealed_octets(key_update_octets);
  }
  /// Puts `content` into one record at `out`, behind a change of our key where one is due. Returns
  /// the octets made; 0: it cannot be, for want of memory.
  std::size_t send(std::string_view content, char* out);
  static constexpr std::size_t alert_octets = 2;
  /// One record of sealed_octets(alert_octets); nothing but alerts may be sent after it. False: as
  /// above.
  bool send_alert(Alert alert, char* out);

  /// Nothing is expected either way for a while.
  void rest() { client_.rest(), server_.rest(); }

  /// After `failed`.
  const Error& problem() const { return problem_; }
  /// What to tell the client after `failed`.
  bool owes_alert() const { return owes_alert_; }
  Alert alert() const { return alert_; }

 private:
  static constexpr std::size_t key_update_octets = 5;

  Received fail(Alert alert, std::string why);
  Received taken(std::size_t octets) const { return {State::taken, octets, {}}; }
  Received data(std::size_t octets, std::span<char> content);
  Received handshake(std::size_t octets, std::span<const char> content);
  Received key_update(std::size_t octets, std::size_t behind);
  Received heard_alert(std::size_t octets, std::span<const char> content);
  bool renew_key(char* out);

  RecordKey client_;
  RecordKey server_;
  RecordLimits limits_;
  std::array<char, key_update_octets> message_{};  // a handshake message, as far as it has come
  std::uint8_t message_size_ = 0;
  std::uint8_t empty_ = 0;     // records without data in a row
  std::uint8_t warnings_ = 0;  // alerts that mean nothing, since the last data
  bool asked_ = false;         // the client wants to see a new key of ours
  bool owes_alert_ = false;
  Alert alert_ = Alert::close_notify;
  std::uint32_t messages_ = 0;  // handshake messages since the last data
  Error problem_;
};

}  // namespace gatehouse::tls::detail
