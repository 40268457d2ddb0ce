#include "core/http/chunked.hpp"

#include <algorithm>

#include "core/base/bytes.hpp"
#include "core/http/header_rules.hpp"

namespace gatehouse::http {
namespace {

constexpr unsigned most_digits = 16;
constexpr std::size_t most_line_bytes = 4 * 1024;
constexpr std::size_t most_extension_bytes = 16 * 1024;
// Past the free part, framing may be 16 times the data and no more.
constexpr std::uint64_t free_overhead = 64 * 1024;
constexpr std::uint64_t most_overhead_ratio = 16;

}  // namespace

void ChunkedDecoder::reset() {
  state_ = State::size;
  failure_ = {};
  left_ = overhead_ = data_bytes_ = 0;
  digits_ = 0;
  line_bytes_ = extension_bytes_ = 0;
  trailer_bytes_.clear();
  trailer_scan_.reset();
  trailers_.clear();
}

void ChunkedDecoder::fail(std::string_view why) {
  state_ = State::failed;
  failure_ = why;
}

ChunkedDecoder::Step ChunkedDecoder::decode(std::string_view bytes) {
  Step step;
  step.consumed = take_framing(bytes);
  if (state_ != State::data) return step;
  const std::size_t there = bytes.size() - step.consumed;
  const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left_, there));
  step.data = bytes.substr(step.consumed, take);
  step.consumed += take;
  left_ -= take;
  data_bytes_ += take;
  if (left_ == 0) state_ = State::data_cr;
  // The end of the body often stands right behind its last data: then one step tells both.
  step.consumed += take_framing(bytes.substr(step.consumed));
  return step;
}

std::size_t ChunkedDecoder::take_framing(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const char c = bytes[at];
    switch (state_) {
      case State::size:
        take_size_octet(c);
        break;
      case State::extension:
        take_extension_octet(c);
        break;
      case State::size_lf:
        if (c != '\n') {
          fail("chunk size line not ended by CRLF");
        } else {
          state_ = left_ == 0 ? State::trailers : State::data;
        }
        break;
      case State::data_cr:
        if (c != '\r') {
          fail("chunk data not ended by CRLF");
        } else {
          state_ = State::data_lf;
        }
        break;
      case State::data_lf:
        if (c != '\n') {
          fail("chunk data not ended by CRLF");
        } else {
          state_ = State::size;
          digits_ = 0;
        }
        break;
      case State::trailers:
        return at + take_trailers(bytes.substr(at));
      case State::data:
      case State::done:
      case State::failed:
        return at;
    }
    ++at;
    count_overhead(1);
  }
  return at;
}

void ChunkedDecoder::take_size_octet(char c) {
  if (const int digit = hex_digit(c); digit >= 0) {
    if (++digits_ > most_digits) return fail("chunk size too long");
    if (digits_ == 1) left_ = 0;
    // Larger than any body: sizes near 2^64 have overflowed other parsers.
    if (left_ >> 58 != 0) return fail("chunk size too large");
    left_ = left_ << 4 | static_cast<std::uint64_t>(digit);
    return;
  }
  if (digits_ == 0) return fail("chunk size without digits");
  if (c == '\r') {
    state_ = State::size_lf;
  } else if (c == ';') {
    state_ = State::extension;
    line_bytes_ = 0;
  } else {
    fail("invalid octet in chunk size");
  }
}

void ChunkedDecoder::take_extension_octet(char c) {
  if (c == '\r') {
    state_ = State::size_lf;
    return;
  }
  // Bare line ends inside extensions are read differently by different parsers.
  const char octet[] = {c};
  if (!is_field_value({octet, 1})) return fail("invalid octet in chunk extension");
  if (++line_bytes_ > most_line_bytes || ++extension_bytes_ > most_extension_bytes) {
    fail("chunk extensions too long");
  }
}

std::size_t ChunkedDecoder::take_trailers(std::string_view bytes) {
  const std::size_t before = trailer_bytes_.size();
  trailer_bytes_.append(bytes);
  switch (trailer_scan_.scan(trailer_bytes_)) {
    case HeadScanner::State::more:
      return bytes.size();
    case HeadScanner::State::refused:
      fail(trailer_scan_.refusal().reason);
      return bytes.size();
    case HeadScanner::State::complete:
      break;
  }
  trailer_bytes_.resize(trailer_scan_.end());
  if (const Refusal refusal = split_fields(trailer_bytes_, trailers_)) {
    fail(refusal.reason);
  } else {
    trailers_.remove_if([](const Field& line) { return is_forbidden_trailer(line.name); });
    state_ = State::done;
  }
  return trailer_bytes_.size() - before;
}

void ChunkedDecoder::count_overhead(std::size_t octets) {
  overhead_ += octets;
  if (overhead_ > free_overhead && overhead_ / most_overhead_ratio > data_bytes_ &&
      state_ != State::failed) {
    fail("chunks too small");
  }
}

}  // namespace gatehouse::http
