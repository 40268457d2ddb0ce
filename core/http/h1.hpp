#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/error.hpp"
#include "core/http/h1_scan.hpp"
#include "core/http/message.hpp"

/// HTTP/1 heads: complete bytes in, a validated head or the reason to refuse out. No sockets, no
/// clock. Strict on purpose (RFC 9112 §11.2): two parsers that read one message differently are how
/// requests are smuggled, so whatever could be read in two ways is refused.
namespace gatehouse::http {

/// What the connection knows and a head is held against.
enum class Scheme : std::uint8_t { any, http, https };

/// `bytes`: from the scanner's begin() to its end(), or what split_whole_head() has found.
struct HeadText {
  std::string_view bytes;
  bool split = false;  // its lines are among the fields already
};

/// Fills `into`, whose views point into `head`. `into.fields` must be empty but for the lines that
/// are split. The refusal's connection cannot be kept.
Refusal parse_request_head(HeadText head, Scheme scheme, RequestHead& into);

/// What an answer is an answer to: decides whether it has a body and whether 101 is allowed.
struct Asked {
  bool head = false;       // method HEAD
  bool websocket = false;  // an upgrade was asked for
};

/// Errors: Fault::bad_message. For answers to HEAD and for 304, `length` tells what the fields say;
/// `has_body()` whether bytes follow. `into.fields` as above.
Result<void> parse_response_head(HeadText head, Asked asked, Side side, ResponseHead& into);

/// True when an answer with that status to that request is followed by a body (RFC 9112 §6.3).
bool has_body(Asked asked, int status);

/// True when the sender of this head lets the connection live on after the message (RFC 9112 §9.3).
/// Ask before the fields are changed.
bool persists(Version version, const Fields& fields);

/// The first bytes of an HTTP/2 connection (RFC 9113 §3.4) up to the head's end.
constexpr std::string_view h2_preface_head = "PRI * HTTP/2.0\r\n\r\n";

}  // namespace gatehouse::http
