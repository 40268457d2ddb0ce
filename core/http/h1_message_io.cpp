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
  window_ = clock_ == nullptr ? Steady{} : clock_->steady();
}

bool Pace::before_wait(net::Stream& stream, Want want) {
  if (clock_ == nullptr) return true;
  const Steady now = clock_->steady();
  if (rate_ > 0 && now - window_ >= idle_) {
    const auto seconds = std::chrono::duration<double>(now - window_).count();
    if (static_cast<double>(bytes_) < static_cast<double>(rate_) * seconds) return false;
    window_ = now;
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

std::string_view MessageReader::take_head() {
  const std::string_view head =
      input_.unread().substr(scanner_.begin(), scanner_.end() - scanner_.begin());
  input_.pin(scanner_.end());
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

awaitable<Result<BodyPiece>> MessageReader::read_body() {
  for (;;) {
    auto piece = take_piece();
    if (piece) {
      pace_.settle(stream_, Want::read);
      co_return std::move(*piece);
    }
    const IoResult got = try_fill();
    switch (got.state) {
      case IoState::done:
        pace_.moved(got.bytes);
        continue;
      case IoState::end:
        pace_.settle(stream_, Want::read);
        co_return ended();
      case IoState::failed:
        co_return stream_.error();
      case IoState::want_read:
      case IoState::want_write:
        break;
    }
    const Want want = wanted(got.state);
    if (!pace_.before_wait(stream_, want)) {
      co_return Error(Fault::timeout, stream_.side(), "body slower than min_rate");
    }
    auto ready = co_await stream_.wait(want);
    if (!ready) co_return ready.error();
  }
}

// --- writing ------------------------------------------------------------------------------------

void append_field(OutputBuffer& out, std::string_view name, std::string_view value) {
  out.append(name);
  out.append(": ");
  out.append(value);
  out.append("\r\n");
}

void MessageWriter::begin_body(Framing framing, std::uint64_t bytes) {
  framing_ = framing;
  left_ = bytes;
  finished_ = false;
  pace_.begin();
}

awaitable<Result<void>> MessageWriter::write_out(std::string_view direct) {
  for (bool buffered = true; buffered || !direct.empty(); buffered = false) {
    std::string_view rest = buffered ? out_.view() : direct;
    while (!rest.empty()) {
      const IoResult put = stream_.try_write(rest);
      if (put.state == IoState::done) {
        rest.remove_prefix(put.bytes);
        written_ += put.bytes;
        pace_.moved(put.bytes);
        continue;
      }
      if (put.state == IoState::failed) co_return stream_.error();
      if (put.state == IoState::end) {
        co_return Error(Fault::closed, stream_.side(), "write to an ended stream");
      }
      const Want want = wanted(put.state);
      if (!pace_.before_wait(stream_, want)) {
        co_return Error(Fault::timeout, stream_.side(), "body taken slower than min_rate");
      }
      auto ready = co_await stream_.wait(want);
      if (!ready) co_return ready.error();
    }
    if (buffered) {
      out_.clear();
    } else {
      break;
    }
  }
  pace_.settle(stream_, Want::write);
  co_return Result<void>();
}

awaitable<Result<void>> MessageWriter::flush() {
  if (out_.empty()) co_return Result<void>();
  const std::string_view nothing_more;
  co_return co_await write_out(nothing_more);
}

awaitable<Result<void>> MessageWriter::body(std::string_view bytes, End last) {
  Result<void> done;
  switch (framing_) {
    case Framing::none:
      break;
    case Framing::chunked:
      done = co_await write_chunks(bytes, last);
      break;
    case Framing::counted:
      if (bytes.size() > left_ || (last == End::last && bytes.size() < left_)) {
        co_return Error(Fault::bad_message, Side::self, "body differs from its announced length");
      }
      left_ -= bytes.size();
      done = co_await write_counted(bytes);
      break;
    case Framing::until_close:
      done = co_await write_counted(bytes);
      break;
  }
  if (!done || last == End::more) co_return done;
  done = co_await flush();
  finished_ = done.has_value();
  co_return done;
}

awaitable<Result<void>> MessageWriter::write_counted(std::string_view bytes) {
  if (!out_.empty()) {
    // The head takes along as much as fills the block; without a head nothing is copied.
    const std::size_t along = std::min(bytes.size(), std::min(out_.room(), worth_gathering));
    out_.append(bytes.substr(0, along));
    bytes.remove_prefix(along);
  } else if (bytes.empty()) {
    co_return Result<void>();
  }
  co_return co_await write_out(bytes);
}

awaitable<Result<void>> MessageWriter::write_chunks(std::string_view bytes, End last) {
  while (!bytes.empty()) {
    if (out_.room() < chunk_framing_bytes + std::min<std::size_t>(bytes.size(), 1024)) {
      auto flushed = co_await flush();
      if (!flushed) co_return flushed;
    }
    // Framing and data leave in one write, in chunks of up to a block.
    const std::string_view chunk =
        bytes.substr(0, std::min(bytes.size(), out_.room() - chunk_framing_bytes));
    bytes.remove_prefix(chunk.size());
    out_.append_number(chunk.size(), 16);
    out_.append("\r\n");
    out_.append(chunk);
    out_.append("\r\n");
  }
  if (last == End::last) out_.append("0\r\n\r\n");
  co_return co_await flush();
}

awaitable<Result<void>> MessageWriter::end(const Fields* trailers) {
  if (framing_ != Framing::chunked || trailers == nullptr || trailers->empty()) {
    const std::string_view nothing_more;
    co_return co_await body(nothing_more, End::last);
  }
  out_.append("0\r\n");
  for (const Field& line : *trailers) {
    if (!is_forbidden_trailer(line.name)) append_field(out_, line.name, line.value);
  }
  out_.append("\r\n");
  auto done = co_await flush();
  finished_ = done.has_value();
  co_return done;
}

}  // namespace gatehouse::http
