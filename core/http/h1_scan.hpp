#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/message.hpp"

namespace gatehouse::http {

/// Why a request is turned away before anyone routes it. `reason` is a fixed word for logs and
/// metrics; `detail` is for the log only and already escaped.
struct Refusal {
  int status = 0;  // 0: nothing was refused
  std::string_view reason;
  std::string detail = {};

  explicit operator bool() const { return status != 0; }
};
/// `seen`: what was found, as it was sent; the log gets its beginning.
Refusal refuse(int status, std::string_view reason, std::string_view seen = {});

struct HeadLimits {
  std::size_t header_bytes = 32 * 1024;  // start line and fields together
  std::size_t header_count = 100;
  std::size_t start_line_bytes = 8192;
};

/// Finds the end of a head as its bytes arrive, each byte looked at once, and refuses on the way
/// what no strict parser may see: bare CR or LF, control octets, folded lines, empty names, too
/// much of anything. Also finds the end of a trailer section, which has no start line.
class HeadScanner {
 public:
  enum class Part : std::uint8_t { head, trailers };
  enum class State : std::uint8_t { more, complete, refused };

  explicit HeadScanner(const HeadLimits& limits = {}, Part part = Part::head)
      : limits_(limits), part_(part) {}

  /// `bytes`: everything since the last reset(), old and new.
  State scan(std::string_view bytes);
  void reset();
  /// False: it has seen nothing since the last reset().
  bool begun() const { return at_ > 0 || refusal_; }

  /// Where the start line begins: past leading empty lines (RFC 9112 §2.2).
  std::size_t begin() const { return begin_; }
  /// Past the empty line. Requires: complete.
  std::size_t end() const { return at_; }
  /// True when nothing but empty lines was seen.
  bool empty() const { return !started_; }
  const Refusal& refusal() const { return refusal_; }

 private:
  State refuse(int status, std::string_view reason);
  State scan_line(std::string_view bytes);
  State line_ended(std::size_t length);

  HeadLimits limits_;
  Part part_;
  bool started_ = false;
  std::size_t at_ = 0;  // next byte to look at
  std::size_t begin_ = 0;
  std::size_t line_begin_ = 0;
  std::size_t lines_ = 0;  // complete ones, the start line included
  std::size_t empty_lines_ = 0;
  Refusal refusal_;
};

/// Splits field lines (each ended by CRLF, the last may be the empty line) that a HeadScanner has
/// let pass into names and values: views into `lines`. Refuses names that are no tokens, whitespace
/// around them, and control octets (RFC 9112 §5.1).
Refusal split_fields(std::string_view lines, Fields& into);

/// The way of most heads, which are there as a whole and fine: the end is found while the lines are
/// split, each octet is looked at once. Returns the size of the head at the front of `bytes`. 0: it
/// is not all there, or a HeadScanner has something to say about it; `into` is as it was, empty.
std::size_t split_whole_head(std::string_view bytes, const HeadLimits& limits, Fields& into);

}  // namespace gatehouse::http
