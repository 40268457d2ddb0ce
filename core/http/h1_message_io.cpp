#include "core/http/h1_message_io.hpp"

#include <algorithm>

#include "core/http/header_rules.hpp"

namespace gatehouse::http {
namespace {

using net::IoResult;
using net::IoState;
using net::Want;

// Room for a chunk's size line, its end, and the last chunk.
constexpr std::size_t chunk_framing_bytes = 16 + 2 + 2 + 5;
// Below this a head and the start of a large body still leave together.
constexpr std::size_t worth_gathering = 16 * 1024;

Want wanted(IoState state) { return state == IoState::want_read ? Want::read : Want::write; }

}  // namespace

void Pace::begin() {
  bytes_ = 0;
  latest_ = Steady::max();
  waited_ = Steady::duration(0);
}

bool Pace::before_wait(net::Stream& stream, Want want) {
  if (clock_ == nullptr) return true;
  const Steady now = clock_->steady();
  waiting_since_ = now;
  if (rate_ > 0 && waited_ >= idle_) {
    const auto seconds = std::chrono::duration<double>(waited_).count();
    if (static_cast<double>(bytes_) < static_cast<double>(rate_) * seconds) return false;
    waited_ = Steady::duration(0);
    bytes_ = 0;
  }
  stream.deadline(want, std::min(now + idle_, latest_));
  set_ = true;
  return true;
}

void Pace::settle(net::Stream& stream, Want want) {
  if (set_) stream.deadline(want, Steady::max());
  set_ = false;
}

// --- reading ------------------------------------------------------------------------------------

HeadScanner::State MessageReader::scan_head(Fields& lines) {
  if (!scanner_.begun()) {
    whole_ = split_whole_head(input_.unread(), limits_, lines);
    if (whole_ > 0) return HeadScanner::State::complete;
  }
  return scanner_.scan(input_.unread());
}

HeadText MessageReader::take_head() {
  const std::size_t begin = whole_ > 0 ? 0 : scanner_.begin();
  const std::size_t end = whole_ > 0 ? whole_ : scanner_.end();
  const HeadText head{input_.unread().substr(begin, end - begin), whole_ > 0};
  input_.pin(end);
  whole_ = 0;
  scanner_.reset();
  return head;
}

void MessageReader::next_head() { input_.unpin(); }

void MessageReader::end_message() {
  state_ = State::finished;
  input_.unpin();
}

void MessageReader::begin_body(BodyLength length) {
  length_ = length;
  pace_.begin();
  switch (length.kind) {
    case BodyLength::Kind::none:
      state_ = State::finished;
      break;
    case BodyLength::Kind::counted:
      left_ = length.bytes;
      state_ = left_ == 0 ? State::finished : State::counted;
      break;
    case BodyLength::Kind::streamed:
      chunks_.reset();
      state_ = State::chunked;
      input_.consume(chunks_.take_framing(input_.unread()));
      break;
    case BodyLength::Kind::until_close:
      state_ = State::until_close;
      break;
  }
}

bool MessageReader::body_at_hand() const {
  if (state_ == State::finished || input_.unread().empty()) return false;
  return state_ != State::chunked || chunks_.at_data();
}

IoResult MessageReader::try_fill() {
  const std::span<char> room = input_.room(limits_.header_bytes);
  const IoResult got = stream_.try_read(room);
  if (got.state == IoState::done) input_.filled(got.bytes);
  return got;
}

std::string MessageReader::take_unread() {
  std::string out(input_.unread());
  input_.consume(out.size());
  return out;
}

BodyPiece MessageReader::last_piece() const {
  BodyPiece piece;
  piece.last = true;
  const bool trailers = length_.kind == BodyLength::Kind::streamed && !chunks_.trailers().empty();
  if (trailers) piece.trailers = &chunks_.trailers();
  return piece;
}

std::optional<Result<BodyPiece>> MessageReader::take_piece() {
  const std::string_view there = input_.unread();
  BodyPiece piece;
  switch (state_) {
    case State::finished:
      return last_piece();
    case State::until_close:
      if (there.empty()) return {};
      piece.bytes = there;
      break;
    case State::counted:
      if (there.empty()) return {};
      piece.bytes =
          there.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, there.size())));
      left_ -= piece.bytes.size();
      if (left_ == 0) state_ = State::finished;
      break;
    case State::chunked: {
      const ChunkedDecoder::Step step = chunks_.decode(there);
      input_.consume(step.consumed);
      if (chunks_.done()) {
        state_ = State::finished;
        piece = last_piece();
      } else if (step.data.empty()) {
        if (chunks_.failure().empty()) return {};
        return Error(Fault::bad_message, stream_.side(), std::string(chunks_.failure()));
      }
      piece.bytes = step.data;
      return piece;
    }
  }
  input_.consume(piece.bytes.size());
  piece.last = state_ == State::finished;
  return piece;
}

Result<BodyPiece> MessageReader::ended() {
  if (state_ != State::until_close) {
    return Error(Fault::closed, stream_.side(), "closed inside a body");
  }
  state_ = State::finished;
  return last_piece();
}

std::optional<Result<BodyPiece>> MessageReader::try_body(Want& want) {
  for (;;) {
    auto piece = take_piece();
    if (piece) {
      pace_.settle(stream_, Want::read);
      return piece;
    }
    const IoResult got = try_fill();
    switch (got.state) {
      case IoState::done:
        pace_.moved(got.bytes);
        continue;
      case IoState::end:
        pace_.settle(stream_, Want::read);
        return ended();
      case IoState::failed:
        return stream_.error();
      case IoState::want_read:
      case IoState::want_write:
        want = wanted(got.state);
        return {};
    }
  }
}

Started<BodyPiece> MessageReader::read_body() {
  Want want = Want::read;
  auto piece = try_body(want);
  if (piece) return std::move(*piece);
  return await_body(want);
}

awaitable<Result<BodyPiece>> MessageReader::await_body(Want want) {
  for (;;) {
    if (!pace_.before_wait(stream_, want)) {
      co_return Error(Fault::timeout, stream_.side(), "body slower than min_rate");
    }
    auto ready = co_await stream_.wait(want);
    if (!ready) co_return ready.error();
    pace_.after_wait();
    auto piece = try_body(want);
    if (piece) co_return std::move(*piece);
  }
}

// --- writing ------------------------------------------------------------------------------------

void MessageWriter::begin_body(Framing framing, std::uint64_t bytes) {
  framing_ = framing;
  left_ = bytes;
  finished_ = false;
  pace_.begin();
}

Started<void> MessageWriter::start(std::string_view bytes, End last) {
  Rest rest{.bytes = bytes, .last = last};
  Want want = Want::write;
  auto done = go_on(rest, want);
  if (done) return std::move(*done);
  return await_rest(rest, want);
}

awaitable<Result<void>> MessageWriter::await_rest(Rest rest, Want want) {
  for (;;) {
    if (!pace_.before_wait(stream_, want)) {
      co_return Error(Fault::timeout, stream_.side(), "body taken slower than min_rate");
    }
    auto ready = co_await stream_.wait(want);
    if (!ready) co_return ready.error();
    pace_.after_wait();
    auto done = go_on(rest, want);
    if (done) co_return std::move(*done);
  }
}

std::optional<Result<void>> MessageWriter::go_on(Rest& rest, Want& want) {
  do {
    std::string_view nothing;
    if (framing_ == Framing::chunked) gather_chunks(rest);
    auto out = try_out(framing_ == Framing::chunked ? nothing : rest.bytes, want);
    if (!out || !*out) return out;
  } while (!rest.bytes.empty());
  pace_.settle(stream_, Want::write);
  finished_ = finished_ || rest.last == End::last;
  return Result<void>();
}

/// The buffer, then `direct`.
std::optional<Result<void>> MessageWriter::try_out(std::string_view& direct, Want& want) {
  while (!out_.empty() || !direct.empty()) {
    const bool buffered = !out_.empty();
    const IoResult put = stream_.try_write(buffered ? out_.view().substr(sent_) : direct);
    switch (put.state) {
      case IoState::done:
        break;
      case IoState::end:
        return Error(Fault::closed, stream_.side(), "write to an ended stream");
      case IoState::failed:
        return stream_.error();
      case IoState::want_read:
      case IoState::want_write:
        want = wanted(put.state);
        return {};
    }
    written_ += put.bytes;
    pace_.moved(put.bytes);
    if (!buffered) {
      direct.remove_prefix(put.bytes);
    } else if ((sent_ += put.bytes) == out_.view().size()) {
      out_.clear();
      sent_ = 0;
    }
  }
  return Result<void>();
}

/// Framing and data leave in one write, in chunks of up to a block.
void MessageWriter::gather_chunks(Rest& rest) {
  while (!rest.bytes.empty()) {
    if (out_.room() < chunk_framing_bytes + std::min<std::size_t>(rest.bytes.size(), 1024)) return;
    const std::string_view chunk =
        rest.bytes.substr(0, std::min(rest.bytes.size(), out_.room() - chunk_framing_bytes));
    rest.bytes.remove_prefix(chunk.size());
    out_.append_hex(chunk.size());
    out_.append("\r\n");
    out_.append(chunk);
    out_.append("\r\n");
  }
  if (rest.last == End::last && !rest.ended) out_.append("0\r\n\r\n");
  rest.ended = rest.last == End::last;
}

Started<void> MessageWriter::body(std::string_view bytes, End last) {
  switch (framing_) {
    case Framing::none:
      return start({}, last);
    case Framing::chunked:
      return start(bytes, last);
    case Framing::counted:
      if (bytes.size() > left_ || (last == End::last && bytes.size() < left_)) {
        return Error(Fault::bad_message, Side::self, "body differs from its announced length");
      }
      left_ -= bytes.size();
      break;
    case Framing::until_close:
      break;
  }
  if (!out_.empty()) {
    // The head takes along as much as fills the block; without a head nothing is copied.
    const std::size_t along = std::min(bytes.size(), std::min(out_.room(), worth_gathering));
    out_.append(bytes.substr(0, along));
    bytes.remove_prefix(along);
  }
  return start(bytes, last);
}

Started<void> MessageWriter::end(const Fields* trailers) {
  if (framing_ != Framing::chunked || trailers == nullptr || trailers->empty()) {
    return body({}, End::last);
  }
  out_.append("0\r\n");
  for (const Field& line : *trailers) {
    if (!is_forbidden_trailer(line.name)) out_.append_field(line.name, line.value);
  }
  out_.append("\r\n");
  Rest rest{.bytes = {}, .last = End::last, .ended = true};
  Want want = Want::write;
  auto done = go_on(rest, want);
  if (done) return std::move(*done);
  return await_rest(rest, want);
}

}  // namespace gatehouse::http
