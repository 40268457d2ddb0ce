#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gatehouse::tls {

/// Reads the name off a ClientHello that somebody else will answer. Takes the first octets of a
/// connection in whatever pieces they come, over any number of records (RFC 8446 §5.1), and
/// understands no more than it must: versions, suites, and extensions that it does not know
/// (GREASE, encrypted ClientHello) are the answerer's business. With an encrypted ClientHello the
/// name is the outer, public one.
class HelloPeeker {
 public:
  /// A ClientHello that is longer, or cut into more records than this, is not read to its end.
  static constexpr std::size_t most_octets = 16 * 1024;
  static constexpr std::size_t most_on_wire = 32 * 1024;

  enum class State : std::uint8_t {
    more,        // so far so good
    whole,       // server_name() is known
    unreadable,  // no ClientHello, or not one that we read
  };
  /// `octets` are those after the ones fed before. Once it is not `more` nothing changes any more.
  State feed(std::string_view octets);
  State state() const { return state_; }

  /// In normal form; empty: none was sent.
  const std::string& server_name() const { return server_name_; }
  /// One was sent that is no host name.
  bool bad_server_name() const { return bad_server_name_; }

 private:
  State open_record();
  State look();
  bool read(std::string_view hello);

  State state_ = State::more;
  std::size_t on_wire_ = 0;
  std::string header_;    // of the record that begins
  std::size_t left_ = 0;  // of the record under way
  std::string message_;   // the records' contents joined
  std::string server_name_;
  bool bad_server_name_ = false;
};

/// A fatal alert as it is sent before any key is there (RFC 8446 §6).
std::string plain_alert(std::uint8_t description);

}  // namespace gatehouse::tls
