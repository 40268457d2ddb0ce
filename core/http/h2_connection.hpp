#pragma once

#include <chrono>
#include <unordered_map>

#include "core/http/h2_abuse.hpp"
#include "core/http/h2_fields.hpp"
#include "core/http/h2_session.hpp"
#include "core/net/deadline_wheel.hpp"
#include "core/net/stream.hpp"

namespace gatehouse::http {

class H2Stream;

/// What a worker lends its HTTP/2 connections. Outlives them and their exchanges.
struct H2Worker {
  asio::any_io_executor executor;
  Clock& clock;
  net::DeadlineWheel& wheel;
  net::BufferPool& buffers;
};

struct H2Patience {
  std::chrono::milliseconds header{15'000};      // the peer's first frames; one header block
  std::chrono::milliseconds idle{75'000};        // without streams; 0: for ever
  std::chrono::milliseconds write_idle{60'000};  // the peer takes no octet off the connection
  std::chrono::milliseconds settings{10'000};    // acknowledgement of ours
};

/// One HTTP/2 connection, whichever side we are: reads frames into the session, writes what the
/// session and its streams have to send, many frames to a write, and ends a peer that costs more
/// than it is worth. Streams find it while it lives; when it goes, they are told. One worker.
class H2Connection : private H2Events {
 public:
  H2Connection(net::Stream& stream, H2Worker worker, H2Session::Role role,
               const H2SessionSettings& settings, HeadLimits limits, const H2Patience& patience);
  H2Connection(const H2Connection&) = delete;
  H2Connection& operator=(const H2Connection&) = delete;
  ~H2Connection() override;

  /// What run() does once the connection rests, because nothing has happened on it for a while and
  /// nothing is under way: it waits on, or returns, without frames that an idle connection would
  /// have to keep.
  enum class AtRest : std::uint8_t { wait, leave };
  /// Serves the connection to its end; `early` is what was read off it before. It may leave a
  /// connection that rests(), and is called again once something comes on the stream, or its read
  /// deadline has passed.
  awaitable<void> run(std::string early = {}, AtRest at_rest = AtRest::wait);
  /// Whether run() has left it at rest.
  bool rests() const { return rests_; }
  /// Ends it gracefully: streams that are open, or were on their way, go on to their ends
  /// (RFC 9113 §6.8).
  void drain();
  void take_leave();
  /// Ends it now, with a GOAWAY.
  void end(H2Code code);

  H2Abuse abuse() const { return abuse_; }
  /// Streams whose exchanges live.
  std::size_t streams() const { return streams_.size(); }
  /// Why it is over; Fault::none while it is not, and when it ended properly.
  const Error& failure() const { return failure_; }
  const H2Worker& worker() const { return worker_; }
  net::Stream& stream() { return stream_; }
  /// Whether most of what its session takes in memory is set aside.
  bool resting() const { return session_.resting(); }
  std::size_t stream_window() const { return stream_window_; }

  // For its streams.
  void offer(const H2Stream& stream);
  void wake_writer();
  void consumed(std::int32_t stream, std::size_t bytes);
  /// Lets a stream's peer send more ahead than `window`, if there is some left. Returns how much.
  std::size_t widen(std::int32_t stream, std::size_t window, std::size_t more);
  void reset(std::int32_t stream, H2Code code);
  /// `widened`: what widen() gave it.
  void forget(const H2Stream& stream, std::size_t unread, std::size_t widened);

 protected:
  enum class Phase : std::uint8_t { open, ending, over };

  H2Session& session() { return session_; }
  const H2Session& session() const { return session_; }
  /// Tells all streams that the connection is gone. For the destructor of what they refer to.
  void let_go();
  H2Block& block() { return block_; }
  H2Lines& lines() { return lines_; }
  /// The block that begins belongs to `id`, whose fields go to `into`; null: to nobody.
  void begin_block(std::int32_t id, Fields* into);
  Side peer() const { return side_; }
  bool draining() const { return drain_ != Drain::no; }
  /// No stream is open, nor was one for so long.
  bool idle_for(Steady::duration span) const {
    return streams_.empty() && worker_.clock.steady() - idle_since_ >= span;
  }
  /// From now on it ends when it has been idle for so long.
  void idle_at_most(std::chrono::milliseconds span);
  Phase phase() const { return phase_; }
  void enter(H2Stream& stream, std::int32_t id);
  H2Stream* find(std::int32_t id);
  /// The trailers of `stream` have come to their end, and with it the stream, as it has to
  /// (RFC 9113 §8.1).
  void judge_trailers(H2Stream& stream, bool end_stream);
  /// What came in has been dealt with: act on it outside the session.
  virtual void received() = 0;
  /// No stream goes on from here.
  virtual void left_open() {}

  bool frame_began(const H2FrameHead& frame) override;
  bool field(std::int32_t stream, std::string_view name, std::string_view value) override;
  void block_broken(std::int32_t stream, bool octets) override;
  void data(std::int32_t stream, std::string_view bytes) override;
  void stream_ended(std::int32_t stream) override;
  void stream_closed(std::int32_t stream, H2Code code, bool ours) override;
  void window_grew(std::int32_t stream) override;
  void settings_came() override {}
  void settings_acknowledged() override { settings_acknowledged_ = true; }
  void ping_answered() override;
  void goaway_came(std::int32_t, H2Code) override {}

 private:
  enum class Drain : std::uint8_t { no, noticed, announced };
  using StreamMap = std::unordered_map<std::int32_t, H2Stream*, std::hash<std::int32_t>,
                                       std::equal_to<std::int32_t>,
                                       Recycling<std::pair<const std::int32_t, H2Stream*>>>;

  /// Its message is malformed, or more than may be.
  void break_off(H2Stream& stream, const Refusal& why);
  void reset_sent(std::int32_t stream, H2Code code) override;
  H2Portion portion(std::int32_t stream, std::size_t most) override;
  std::string_view take(std::int32_t stream, std::size_t bytes) override;

  awaitable<void> read_loop(std::string early);
  awaitable<void> write_loop();
  awaitable<void> linger();
  void receive(std::string_view bytes);
  void pull();
  bool judge(H2Abuse found);
  void overdue();
  void rest();
  void set_read_deadline();
  void leave_open(Phase next, Error why);
  void finish_drain();
  static void drain_overdue(void* self) noexcept;
  OutputBuffer& filling() { return out_[filling_]; }

  net::Stream& stream_;
  Side side_;
  H2Worker worker_;
  H2Patience patience_;
  std::size_t stream_window_;
  std::size_t spare_window_ = h2_spare_window;
  H2Session session_;
  H2Guard guard_;
  H2Block block_;
  H2Lines lines_;
  std::int32_t block_stream_ = 0;
  Fields scratch_;             // of blocks that belong to no stream
  H2Stream* first_ = nullptr;  // every stream that knows us, opened or not
  StreamMap streams_;          // the opened ones
  std::size_t came_ = 0;       // octets of bodies, since their readers had a turn
  friend class H2Stream;       // enters itself in the list
  OutputBuffer out_[2];        // one is being filled while the other is written
  unsigned filling_ = 0;
  asio::steady_timer writer_;   // parks the writer
  asio::steady_timer drained_;  // parks the reader while too much waits to be written
  net::DeadlineWheel::Entry drain_deadline_;
  Phase phase_ = Phase::open;
  Drain drain_ = Drain::no;
  H2Abuse abuse_ = H2Abuse::none;
  Error failure_;
  Steady began_;
  Steady idle_since_;
  Steady block_began_ = Steady::max();  // max: no header block is open
  bool settings_acknowledged_ = false;
  AtRest at_rest_ = AtRest::wait;
  bool rests_ = false;
  bool goodbye_due_ = false;  // the peer may still be sending: closing would reset our last words
};

}  // namespace gatehouse::http
