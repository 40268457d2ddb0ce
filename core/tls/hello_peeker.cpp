#include "core/tls/hello_peeker.hpp"

#include <algorithm>
#include <optional>

#include "core/tls/detail/server_name.hpp"

namespace gatehouse::tls {
namespace {

using detail::number16;

constexpr char handshake_record = 22;
constexpr char alert_record = 21;
constexpr char major_version = 3;
constexpr char client_hello = 1;
constexpr std::size_t record_header = 5;
constexpr std::size_t message_header = 4;
constexpr std::size_t most_in_record = 16 * 1024;

/// Walks over a message; once something does not fit, nothing does.
class Cursor {
 public:
  explicit Cursor(std::string_view all) : rest_(all) {}

  std::string_view take(std::size_t octets) {
    if (octets > rest_.size()) fits_ = false;
    if (!fits_) return {};
    const std::string_view taken = rest_.substr(0, octets);
    rest_.remove_prefix(octets);
    return taken;
  }
  /// What stands behind a length of one or two octets.
  std::string_view counted8() {
    const std::string_view length = take(1);
    return fits_ ? take(static_cast<unsigned char>(length[0])) : std::string_view();
  }
  std::string_view counted16() {
    const std::string_view length = take(2);
    return fits_ ? take(number16(length)) : std::string_view();
  }
  unsigned number() {
    const std::string_view two = take(2);
    return fits_ ? number16(two) : 0;
  }
  bool fits() const { return fits_; }
  bool at_end() const { return fits_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool fits_ = true;
};

/// The body of the server_name extension; none where there is none. `fine` turns false when the
/// extensions do not add up.
std::optional<std::string_view> find_server_name(std::string_view extensions, bool& fine) {
  std::optional<std::string_view> found;
  Cursor list(extensions);
  while (!list.at_end()) {
    const unsigned kind = list.number();
    const std::string_view body = list.counted16();
    const bool again = kind == detail::server_name_extension && found;
    if (!list.fits() || again) {
      fine = false;
      return {};
    }
    if (kind == detail::server_name_extension) found = body;
  }
  return found;
}

}  // namespace

HelloPeeker::State HelloPeeker::feed(std::string_view octets) {
  on_wire_ += octets.size();
  while (state_ == State::more && !octets.empty()) {
    if (left_ == 0) {
      header_ += octets.front();
      octets.remove_prefix(1);
      state_ = open_record();
      continue;
    }
    const std::size_t taken = std::min(left_, octets.size());
    message_.append(octets.substr(0, taken));
    octets.remove_prefix(taken);
    left_ -= taken;
    state_ = look();
  }
  if (state_ == State::more && on_wire_ >= most_on_wire) state_ = State::unreadable;
  return state_;
}

/// What does not begin like a record is told from its first octet on.
HelloPeeker::State HelloPeeker::open_record() {
  if (header_[0] != handshake_record) return State::unreadable;
  if (header_.size() > 1 && header_[1] != major_version) return State::unreadable;
  if (header_.size() < record_header) return State::more;
  left_ = number16(std::string_view(header_).substr(3));
  header_.clear();
  // RFC 8446 §5.1: handshake records are never empty.
  return left_ == 0 || left_ > most_in_record ? State::unreadable : State::more;
}

HelloPeeker::State HelloPeeker::look() {
  if (message_[0] != client_hello) return State::unreadable;
  if (message_.size() < message_header) return State::more;
  const std::size_t length = std::size_t{static_cast<unsigned char>(message_[1])} << 16 |
                             number16(std::string_view(message_).substr(2));
  if (length > most_octets) return State::unreadable;
  if (message_.size() < message_header + length) return State::more;
  const bool read_well = read(std::string_view(message_).substr(message_header, length));
  message_ = std::string();
  return read_well ? State::whole : State::unreadable;
}

/// RFC 8446 §4.1.2, which is also what TLS 1.2 sends (RFC 5246 §7.4.1.2).
bool HelloPeeker::read(std::string_view hello) {
  Cursor at(hello);
  at.take(2);                    // version
  at.take(32);                   // random
  at.counted8();                 // session id
  at.counted16();                // cipher suites
  at.counted8();                 // compression methods
  if (at.at_end()) return true;  // TLS 1.2 may do without extensions
  const std::string_view extensions = at.counted16();
  if (!at.at_end()) return false;
  bool fine = true;
  const auto body = find_server_name(extensions, fine);
  if (!fine || !body) return fine;
  server_name_ = detail::server_name_in(*body);
  bad_server_name_ = server_name_.empty();
  return true;
}

std::string plain_alert(std::uint8_t description) {
  constexpr char fatal = 2;
  return {alert_record, major_version, major_version, 0, 2, fatal, static_cast<char>(description)};
}

}  // namespace gatehouse::tls
