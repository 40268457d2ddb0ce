#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/kept_octets.hpp"
#include "core/base/recycling.hpp"
#include "core/http/field_name.hpp"

namespace gatehouse::http {

enum class Version : std::uint8_t { http10, http11, http2 };

/// "HTTP/1.1"
std::string_view version_text(Version version);

/// One field line. Views: the bytes belong to the message's buffer or to `Fields::keep`.
struct Field {
  std::string_view name;               // as received; compare ignoring case
  std::string_view value;              // without surrounding whitespace
  FieldName which = FieldName::other;  // of `name`, once the line is in a Fields
};

/// The fields of one head, in order. Made once per connection and cleared between messages, so that
/// a steady keep-alive connection allocates nothing. Moves, but is not copied: its lines are views
/// into its own store.
class Fields {
 public:
  using Lines = std::vector<Field, Recycling<Field>>;
  using const_iterator = Lines::const_iterator;

  Fields() = default;
  Fields(Fields&&) noexcept = default;
  Fields& operator=(Fields&&) noexcept = default;

  /// The caller keeps the bytes alive as long as the message.
  void add(std::string_view name, std::string_view value) { add({name, value, field_name(name)}); }
  /// For who knows `which`.
  [[gnu::always_inline]] void add(const Field& line) {
    if (lines_.size() == lines_.capacity()) grow();
    if (lines_.size() == lines_.capacity()) __builtin_unreachable();  // push_back() need not grow
    lines_.push_back(line);
    seen_.add(line.which);
  }
  /// Copies name and value.
  void add_copy(const Field& line);
  void add_copy(std::string_view name, std::string_view value) {
    add_copy({name, value, field_name(name)});
  }
  /// Copies bytes into the message's own store; valid until clear().
  std::string_view keep(std::string_view bytes) { return kept_.keep(bytes); }
  /// The first value of that name, if any.
  std::optional<std::string_view> find(std::string_view name) const;
  std::optional<std::string_view> find(FieldName which) const;
  /// False: none of them is among the lines. True: one is, or was.
  bool may_have(FieldNames names) const { return seen_.has_any(names); }
  std::size_t count(std::string_view name) const;
  std::size_t remove(std::string_view name);
  template <class Predicate>
  std::size_t remove_if(Predicate predicate) {
    return std::erase_if(lines_, predicate);
  }
  std::size_t remove(FieldNames names) {
    if (!may_have(names)) return 0;
    return remove_if([&](const Field& line) { return names.has(line.which); });
  }
  /// Removes all of that name; `see` is called with the value of each.
  template <class See>
  void take(FieldName which, See see) {
    if (!may_have({which})) return;
    remove_if([&](const Field& line) {
      if (line.which != which) return false;
      see(line.value);
      return true;
    });
  }
  /// Removes all of that name and adds one line.
  void set(std::string_view name, std::string_view value);
  /// Gives all its memory to the next message of the thread: an idle connection holds none.
  void clear();
  bool empty() const { return lines_.empty(); }
  std::size_t size() const { return lines_.size(); }
  const_iterator begin() const { return lines_.begin(); }
  const_iterator end() const { return lines_.end(); }

 private:
  static constexpr std::size_t usual_lines = 16;
  void grow();

  Lines lines_;
  FieldNames seen_;  // of the lines that are or were here
  KeptOctets kept_;
};

/// How long a body is. Decided once, at head completion; framing fields are never forwarded.
struct BodyLength {
  enum class Kind : std::uint8_t {
    none,        // no body at all
    counted,     // exactly `bytes`
    streamed,    // until its own end: chunked in HTTP/1.1, END_STREAM in HTTP/2
    until_close  // responses only: until the connection ends (HTTP/1)
  };
  Kind kind = Kind::none;
  std::uint64_t bytes = 0;

  /// False: there is none, or an empty one.
  bool expected() const { return kind >= Kind::streamed || bytes > 0; }

  static BodyLength none() { return {}; }
  static BodyLength counted(std::uint64_t n) { return {Kind::counted, n}; }
  static BodyLength streamed() { return {Kind::streamed, 0}; }
  static BodyLength until_close() { return {Kind::until_close, 0}; }
};

/// A validated request head. For requests that came in, `fields` holds every field except the
/// framing ones (Content-Length, Transfer-Encoding) and Host, which are told by `length` and
/// `host`/`port`.
struct RequestHead {
  Version version = Version::http11;
  std::string_view method;
  std::string_view path;       // origin-form, begins with '/', or "*" for OPTIONS; never decoded
  std::string_view query;      // without '?'
  bool has_query = false;      // "/a?" has an empty query, "/a" none
  std::string_view authority;  // as the client wrote it (Host field or absolute-form target)
  std::string host;            // normal_host() form; empty: HTTP/1.0 without Host
  std::uint16_t port = 0;      // 0: none was given
  BodyLength length;
  bool expects_continue = false;
  bool websocket = false;         // a valid WebSocket upgrade was asked for (RFC 6455 §4.2.1)
  bool accepts_trailers = false;  // TE: trailers
  Fields fields;
};

struct ResponseHead {
  Version version = Version::http11;
  int status = 0;
  std::string_view reason;
  BodyLength length;
  bool websocket = false;  // 101 with matching Upgrade
  Fields fields;           // without framing fields
};

/// A piece of a body: valid until the next call on the same exchange.
struct BodyPiece {
  std::string_view bytes;  // may be empty only when `last`
  bool last = false;
  const Fields* trailers = nullptr;  // with `last`, where there were any
};

enum class End : std::uint8_t { more, last };

}  // namespace gatehouse::http
