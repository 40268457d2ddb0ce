#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "core/base/asio.hpp"
#include "core/base/clock.hpp"
#include "core/base/started.hpp"
#include "core/http/chunked.hpp"
#include "core/http/h1.hpp"
#include "core/http/h1_buffers.hpp"
#include "core/http/message.hpp"
#include "core/net/stream.hpp"

namespace gatehouse::http {

/// How slow a peer may be while a message moves. Each wait gets the idle time anew; as much time
/// spent waiting at less than the rate ends the transfer as well. What passes while nobody waits
/// for the peer is not held against it. Without a clock the deadlines are the caller's and stay
/// untouched.
class Pace {
 public:
  Pace() = default;
  Pace(Clock& clock, Steady::duration idle, std::uint64_t bytes_per_second)
      : clock_(&clock), idle_(idle), rate_(bytes_per_second) {}

  void begin();
  /// No wait goes past `latest`, until begin().
  void end_by(Steady latest) { latest_ = latest; }
  void moved(std::size_t bytes) { bytes_ += bytes; }
  /// Sets the deadline of the wait that follows. False: the peer was too slow over a window.
  bool before_wait(net::Stream& stream, net::Want want);
  void after_wait() {
    if (rate_ > 0) waited_ += clock_->steady() - waiting_since_;
  }
  /// Takes the deadline away, where one was set.
  void settle(net::Stream& stream, net::Want want);

 private:
  Clock* clock_ = nullptr;
  Steady::duration idle_{};
  std::uint64_t rate_ = 0;
  Steady latest_ = Steady::max();
  // In this window, which is over when the idle time was waited.
  Steady::duration waited_{0};
  std::uint64_t bytes_ = 0;
  Steady waiting_since_{};
  bool set_ = false;
};

/// Reads one HTTP/1 message after another off a stream: heads by scanning, bodies by their length.
/// Owned by a connection, on its worker.
class MessageReader {
 public:
  MessageReader(net::Stream& stream, net::BufferPool& pool, Pace pace, HeadLimits limits)
      : stream_(stream),
        input_(pool),
        pace_(pace),
        limits_(limits),
        scanner_(limits),
        chunks_(limits) {}

  /// Looks at what is there. Never waits. `lines` is empty, and stays so unless the head is there
  /// and split.
  HeadScanner::State scan_head(Fields& lines);
  const HeadScanner& scanner() const { return scanner_; }
  /// The complete head found by scan_head(); it stays in place until end_message().
  HeadText take_head();
  /// Forgets the head that was taken, without ending the message: another head follows (1xx).
  void next_head();

  void begin_body(BodyLength length);
  /// True when the body has been read to its end.
  bool finished() const { return state_ == State::finished; }
  const BodyLength& length() const { return length_; }
  Started<BodyPiece> read_body();
  /// True when read_body() has bytes to return at once.
  bool body_at_hand() const;
  /// Reading the rest of the body may take until `latest`, whatever the pace.
  void finish_by(Steady latest) { pace_.end_by(latest); }
  /// The message is over; unread bytes belong to the next one.
  void end_message();

  /// One try at reading more, no wait.
  net::IoResult try_fill();
  std::string_view unread() const { return input_.unread(); }
  /// Reads, and forgets, what is unread.
  std::string take_unread();

 private:
  enum class State : std::uint8_t { finished, counted, chunked, until_close };
  /// What the unread bytes hold of the body; nothing when they hold none.
  std::optional<Result<BodyPiece>> take_piece();
  /// As far as it goes; empty: `want` has to come first.
  std::optional<Result<BodyPiece>> try_body(net::Want& want);
  awaitable<Result<BodyPiece>> await_body(net::Want want);
  BodyPiece last_piece() const;
  /// The peer ended its side within the body.
  Result<BodyPiece> ended();

  net::Stream& stream_;
  InputBuffer input_;
  Pace pace_;
  HeadLimits limits_;
  HeadScanner scanner_;
  std::size_t whole_ = 0;  // a head of this size is there and split
  State state_ = State::finished;
  BodyLength length_;
  std::uint64_t left_ = 0;  // of a counted body
  ChunkedDecoder chunks_;
};

/// Writes one HTTP/1 message after another: a head is collected in the buffer, the body follows in
/// its framing, and what is small leaves together. Owned by a connection, on its worker.
class MessageWriter {
 public:
  enum class Framing : std::uint8_t {
    none,  // the body is left out: answers to HEAD, 204, 304
    counted,
    chunked,
    until_close,
  };

  MessageWriter(net::Stream& stream, net::BufferPool& pool, Pace pace)
      : stream_(stream), out_(pool), pace_(pace) {}

  OutputBuffer& out() { return out_; }
  void begin_body(Framing framing, std::uint64_t bytes);
  /// Errors of Side::self: more or fewer bytes than counted; nothing false is sent.
  Started<void> body(std::string_view bytes, End end);
  /// Ends the body; `trailers` (may be null) only reach the peer in the chunked framing.
  Started<void> end(const Fields* trailers);
  Started<void> flush() { return start({}, End::more); }
  /// True when the message was written to its end and has left.
  bool finished() const { return finished_; }
  Framing framing() const { return framing_; }
  std::uint64_t bytes_written() const { return written_; }

 private:
  /// What is still to be sent after the buffer.
  struct Rest {
    std::string_view bytes;
    End last = End::more;
    bool ended = false;  // the last chunk is in the buffer
  };
  Started<void> start(std::string_view bytes, End last);
  /// As far as it goes; empty: `want` has to come first.
  std::optional<Result<void>> go_on(Rest& rest, net::Want& want);
  awaitable<Result<void>> await_rest(Rest rest, net::Want want);
  std::optional<Result<void>> try_out(std::string_view& direct, net::Want& want);
  void gather_chunks(Rest& rest);

  net::Stream& stream_;
  OutputBuffer out_;
  std::size_t sent_ = 0;  // of it
  Pace pace_;
  Framing framing_ = Framing::none;
  bool finished_ = true;
  std::uint64_t left_ = 0;
  std::uint64_t written_ = 0;
};

}  // namespace gatehouse::http
