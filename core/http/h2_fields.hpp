#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/h1.hpp"
#include "core/http/h1_scan.hpp"
#include "core/http/message.hpp"

/// HTTP/2 header blocks to heads and back (RFC 9113 §8). Pure: no session, no sockets, no clock.
namespace gatehouse::http {

/// Collects one header block, field by field, and judges it as a whole. What is too much is counted
/// and not stored, so that the block can be decoded to its end at no cost.
class H2Block {
 public:
  explicit H2Block(HeadLimits limits) : limits_(limits) {}

  /// The block's fields are copied into `into`, which is empty and outlives the judgement.
  void begin(Fields& into);
  /// False: so far past the limits that it can only be meant to hurt.
  bool add(std::string_view name, std::string_view value);

  /// True when extended CONNECT was asked for.
  bool asks_for_protocol() const { return has(protocol); }

  // The judgements. A refusal of status 400 is malformed in the sense of RFC 9113 §8.1.1; others
  // deserve an answer.
  /// `end`: no body follows. A WebSocket asked for by extended CONNECT (RFC 8441) comes out as the
  /// GET it would have been in HTTP/1.1, with a key made of `key_octets` (16).
  Refusal request(Scheme scheme, End end, std::string_view key_octets, RequestHead& into);
  Refusal response(Asked asked, End end, ResponseHead& into);
  /// Takes out what no trailer may say.
  Refusal trailers();

 private:
  enum Pseudo : std::uint8_t { method, scheme, authority, path, protocol, status, pseudos };

  static Pseudo pseudo_named(std::string_view name);
  bool malformed(std::string_view reason);
  bool add_pseudo(std::string_view name, std::string_view value);
  void add_regular(const Field& line);
  Refusal regular_fields();
  Refusal body_length(End end, BodyLength& into);
  Refusal judge_target(Scheme connection, RequestHead& into);
  Refusal judge_host(RequestHead& into);
  Refusal judge_expect(RequestHead& into) const;
  void make_websocket(std::string_view key_octets, RequestHead& into);
  bool has(Pseudo which) const { return (seen_ & (1U << which)) != 0; }

  HeadLimits limits_;
  Fields* into_ = nullptr;
  std::array<std::string_view, pseudos> pseudo_{};
  unsigned seen_ = 0;
  std::string_view malformed_;  // why; empty: it is not
  std::string cookie_;          // crumbs, joined again (RFC 9113 §8.2.3)
  bool regular_seen_ = false;
  bool too_large_ = false;
  std::size_t count_ = 0;  // crumbs not counted
  std::size_t crumbs_ = 0;
  std::size_t bytes_ = 0;
};

/// The field lines of a head on its way out; views into the head and into itself. Made once per
/// connection and written anew for each head.
class H2Lines {
 public:
  /// `date` is added where there is none; empty: never. That nothing follows is told by the
  /// stream's end, not by a length of 0.
  std::span<const Field> response(const ResponseHead& head, std::string_view date);
  std::span<const Field> informational(const ResponseHead& head);
  /// The answer to a WebSocket's extended CONNECT.
  std::span<const Field> accepted(const ResponseHead& head, std::string_view date);
  std::span<const Field> request(const RequestHead& head, std::string_view scheme);

 private:
  void status(int code);
  void add_fields(const Fields& fields);
  void add_length(std::uint64_t bytes);

  std::vector<Field> lines_;
  std::array<char, 4> status_{};
  std::array<char, 24> digits_{};
  std::string target_;
};

}  // namespace gatehouse::http
