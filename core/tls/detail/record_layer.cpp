#include "core/tls/detail/record_layer.hpp"

#include <algorithm>
#include <limits>

#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {
namespace {

// What a client may send in a row that brings nothing on: as much as OpenSSL takes.
constexpr std::uint8_t most_empty = 32;
constexpr std::uint8_t most_warnings = 4;

constexpr std::size_t message_header_octets = 4;
constexpr char key_update_kind = 24;
constexpr std::uint8_t fatal = 2;
constexpr std::uint8_t warning = 1;

constexpr std::size_t most_body = most_content + 256;  // RFC 8446 §5.2
constexpr std::size_t most_inside = most_content + 1;  // RFC 8446 §5.4: padding counts

unsigned char octet(std::span<const char> octets, std::size_t at) {
  return static_cast<unsigned char>(octets[at]);
}

std::size_t body_octets(std::span<const char> octets) {
  return static_cast<std::size_t>(octet(octets, 3) << 8 | octet(octets, 4));
}

bool is(unsigned char type, ContentType wanted) {
  return type == static_cast<unsigned char>(wanted);
}

/// Whether the header alone condemns its record.
bool bad_header(std::span<const char> octets) {
  const std::size_t body = body_octets(octets);
  return !is(octet(octets, 0), ContentType::application_data) || body > most_body ||
         body < tag_octets;
}

}  // namespace

RecordLayer::RecordLayer(Suite suite, const TrafficKey& client, const TrafficKey& server,
                         std::uint64_t sealed, const RecordLimits& limits)
    : client_(suite, client, 0), server_(suite, server, sealed), limits_(limits) {}

bool RecordLayer::whole(std::span<const char> octets) {
  if (octets.size() < header_octets) return false;
  return bad_header(octets) || octets.size() >= header_octets + body_octets(octets);
}

std::size_t RecordLayer::most_data_in(std::span<const char> octets) {
  return std::max(body_octets(octets), tag_octets + 1) - tag_octets - 1;
}

RecordLayer::Received RecordLayer::fail(Alert alert, std::string why) {
  owes_alert_ = true;
  alert_ = alert;
  problem_ = Error(Fault::bad_message, Side::client, "TLS: " + std::move(why));
  return {State::failed, 0, {}};
}

RecordLayer::Received RecordLayer::receive(std::span<char> octets, std::span<char> into) {
  if (!whole(octets)) return {};
  const std::size_t body = body_octets(octets);
  // RFC 8446 §5: nothing comes in the clear any more, change_cipher_spec and alerts included. The
  // version in the header means nothing, but the tag covers it (§5.1, §5.2).
  if (!is(octet(octets, 0), ContentType::application_data)) {
    return fail(Alert::unexpected_message, "a record in the clear");
  }
  if (body > most_body) return fail(Alert::record_overflow, "a record is too large");
  if (body < tag_octets) return fail(Alert::bad_record_mac, "a record without a tag");
  const std::span<char> record = octets.first(header_octets + body);
  const bool fits = into.size() >= most_data_in(octets);
  char* const out = fits ? into.data() : record.data() + header_octets;
  unsigned char type = 0;
  if (!client_.open(record, out, type)) return fail(Alert::bad_record_mac, "bad record MAC");
  if (body - tag_octets > most_inside) {
    return fail(Alert::record_overflow, "a record holds too much");
  }
  // RFC 8446 §5.4: the type is the last octet that is not zero, and padding what follows it.
  std::size_t size = most_data_in(octets);
  while (type == 0 && size > 0) type = static_cast<unsigned char>(out[--size]);
  const std::span<char> content(out, size);
  if (message_size_ > 0 && !is(type, ContentType::handshake)) {
    return fail(Alert::unexpected_message, "something between the parts of a handshake message");
  }
  if (is(type, ContentType::application_data)) return data(record.size(), content);
  if (is(type, ContentType::handshake)) return handshake(record.size(), content);
  if (is(type, ContentType::alert)) return heard_alert(record.size(), content);
  return fail(Alert::unexpected_message, "a record of an unknown type");
}

RecordLayer::Received RecordLayer::data(std::size_t octets, std::span<char> content) {
  if (content.empty()) {
    // RFC 8446 §5.1: they hide how much is said; too many of them say nothing at great cost.
    if (++empty_ > most_empty) return fail(Alert::unexpected_message, "too many empty records");
    return taken(octets);
  }
  empty_ = 0;
  warnings_ = 0;
  messages_ = 0;
  return {State::taken, octets, content};
}

/// RFC 8446 §4.6.3. Messages may lie across records, and several in one (§5.1).
RecordLayer::Received RecordLayer::handshake(std::size_t octets, std::span<const char> content) {
  if (content.empty()) return fail(Alert::unexpected_message, "an empty handshake record");
  const std::size_t part = std::min(content.size(), message_.size() - message_size_);
  std::copy_n(content.begin(), part, message_.begin() + message_size_);
  message_size_ = static_cast<std::uint8_t>(message_size_ + part);
  if (message_size_ < message_header_octets) return taken(octets);
  if (message_[0] != key_update_kind) {
    return fail(Alert::unexpected_message, "a handshake message out of place");
  }
  constexpr std::array<char, 3> one{0, 0, 1};
  if (!std::equal(one.begin(), one.end(), message_.begin() + 1)) {
    return fail(Alert::decode_error, "a KeyUpdate of another size");
  }
  if (message_size_ < message_.size()) return taken(octets);
  return key_update(octets, content.size() - part);
}

RecordLayer::Received RecordLayer::key_update(std::size_t octets, std::size_t behind) {
  message_size_ = 0;
  // What follows it in its record would be under the old key (§5.1).
  if (behind > 0) return fail(Alert::unexpected_message, "something behind a KeyUpdate");
  const char asks = message_[message_header_octets];
  if (asks != 0 && asks != 1) return fail(Alert::illegal_parameter, "a KeyUpdate of no kind");
  // Each costs us a key.
  if (++messages_ > limits_.messages_without_data) {
    fail(Alert::unexpected_message, "");
    problem_ = Error(Fault::limit, Side::client, "TLS: too many handshake messages without data");
    return {State::failed, 0, {}};
  }
  client_.update();
  asked_ = asked_ || asks == 1;
  return taken(octets);
}

/// RFC 8446 §6: the level means nothing; all alerts but two end the connection.
RecordLayer::Received RecordLayer::heard_alert(std::size_t octets, std::span<const char> content) {
  if (content.size() != alert_octets) return fail(Alert::unexpected_message, "half an alert");
  const auto alert = static_cast<Alert>(content[1]);
  if (alert == Alert::close_notify) return {State::end, octets, {}};
  if (alert == Alert::user_canceled) {
    if (++warnings_ > most_warnings) return fail(Alert::unexpected_message, "too many alerts");
    return taken(octets);
  }
  problem_ = Error(
      Fault::bad_message, Side::client,
      std::string("TLS: alert of the client: ") + SSL_alert_desc_string_long(octet(content, 1)));
  return {State::failed, 0, {}};
}

/// One KeyUpdate under the old key; all that follows is under the new one.
bool RecordLayer::renew_key(char* out) {
  constexpr std::string_view message("\x18\0\0\1\0", key_update_octets);
  if (!server_.seal(ContentType::handshake, message, out)) return false;
  server_.update();
  asked_ = false;
  return true;
}

std::size_t RecordLayer::send(std::string_view content, char* out) {
  std::size_t made = 0;
  // One sequence number is kept for the KeyUpdate, one for a last alert.
  constexpr auto end = std::numeric_limits<std::uint64_t>::max() - 2;
  if (asked_ || server_.sequence() >= std::min(limits_.sealed_by_key, end)) {
    if (!renew_key(out)) return 0;
    made = sealed_octets(key_update_octets);
  }
  if (!server_.seal(ContentType::application_data, content, out + made)) return 0;
  return made + sealed_octets(content.size());
}

bool RecordLayer::send_alert(Alert alert, char* out) {
  const bool polite = alert == Alert::close_notify || alert == Alert::user_canceled;
  const std::array<char, alert_octets> content{static_cast<char>(polite ? warning : fatal),
                                               static_cast<char>(alert)};
  return server_.seal(ContentType::alert, std::string_view(content.data(), content.size()), out);
}

}  // namespace gatehouse::tls::detail
