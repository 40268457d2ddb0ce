#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/h1_scan.hpp"
#include "core/http/message.hpp"

namespace gatehouse::http {

/// Undoes the chunked coding (RFC 9112 §7.1), bytes in pieces of any size. Line ends are CRLF and
/// nothing else; extensions are read over; both are bounded, so that framing cannot cost much more
/// than the data it frames.
class ChunkedDecoder {
 public:
  explicit ChunkedDecoder(HeadLimits trailer_limits = {})
      : trailer_scan_(trailer_limits, HeadScanner::Part::trailers) {}

  struct Step {
    std::size_t consumed = 0;
    std::string_view data;  // inside the bytes handed in
  };
  /// Takes from the front of `bytes`: framing up to the next data, that data, and the framing that
  /// follows it as far as it is there. Takes all of `bytes` unless it returns data or is done.
  Step decode(std::string_view bytes);
  void reset();
  /// Takes the framing in front of the next data; returns the octets taken.
  std::size_t take_framing(std::string_view bytes);
  /// True when the next octet is data.
  bool at_data() const { return state_ == State::data; }

  bool done() const { return state_ == State::done; }
  /// Why decoding stopped for good; empty: it did not.
  std::string_view failure() const { return failure_; }
  /// After done(): the trailers that may be passed on. Valid until reset().
  const Fields& trailers() const { return trailers_; }

 private:
  enum class State : std::uint8_t {
    size,       // hexadecimal digits
    extension,  // after ';', up to CR
    size_lf,    // the LF of the size line
    data,       // `left_` octets
    data_cr,    // CRLF after the data
    data_lf,
    trailers,  // after the last chunk
    done,
    failed,
  };
  void fail(std::string_view why);
  void take_size_octet(char c);
  void take_extension_octet(char c);
  std::size_t take_trailers(std::string_view bytes);
  void count_overhead(std::size_t octets);

  State state_ = State::size;
  std::string_view failure_;
  std::uint64_t left_ = 0;
  unsigned digits_ = 0;
  std::size_t line_bytes_ = 0;       // extension octets of this line
  std::size_t extension_bytes_ = 0;  // of the whole body
  std::uint64_t overhead_ = 0;
  std::uint64_t data_bytes_ = 0;
  std::string trailer_bytes_;
  HeadScanner trailer_scan_;
  Fields trailers_;
};

}  // namespace gatehouse::http
