#pragma once

#include <chrono>
#include <limits>

#include "core/http/exchange.hpp"
#include "core/http/h1.hpp"
#include "core/http/h1_message_io.hpp"
#include "core/http/http_date.hpp"

namespace gatehouse::http {

/// What a worker lends its connections. Outlives them.
struct H1Worker {
  Clock& clock;
  net::BufferPool& buffers;
  HttpDate& date;
};

struct H1ServerSettings {
  HeadLimits head;
  Scheme scheme = Scheme::any;   // what this connection is; absolute-form targets must agree
  std::uint64_t body_bytes = 0;  // 0: no limit
  std::uint64_t requests = 0;    // on one connection; 0: no limit
  std::uint64_t min_rate = 0;    // bytes a second; 0: off
  bool may_be_h2 = false;        // see H1ServerConnection::take_preface()
  std::chrono::milliseconds request_header{15'000};  // first byte to end of the head
  std::chrono::milliseconds idle{75'000};            // between requests
  std::chrono::milliseconds read_idle{60'000};
  std::chrono::milliseconds write_idle{60'000};
  std::chrono::milliseconds rest_after{
      0};  // of idleness, see H1ServerConnection::rests(); 0: never
};

/// Where a connection stands that waits for a request and has nothing under way.
struct H1Rest {
  std::uint64_t requests = 0;    // handed out so far
  Steady until = Steady::max();  // the idle connection's end; max: its time begins anew
};

/// The server's end of an HTTP/1 connection: one request after another, each answered before the
/// next is looked at (RFC 9112 §9.3.2). It is the exchange it hands out, so that nothing is made
/// anew for a request. On the stream's worker; the stream outlives it.
class H1ServerConnection final : public ServerConnection, private ServerExchange {
 public:
  /// `rest`: where another one left off on this stream.
  H1ServerConnection(net::Stream& stream, H1Worker worker, const H1ServerSettings& settings,
                     H1Rest rest = {});

  /// Ends the exchange before (draining or refusing what is left of its body) and reads the next
  /// head. Null: the connection is over, properly. An error: it ended within a head, or the head
  /// was refused; the client has got its answer then, and refusal() tells which. Between requests
  /// no buffer is held.
  awaitable<Result<ServerExchange*>> next();
  const Refusal& refusal() const { return refusal_; }
  /// After next() was null: the connection is not over. It was idle for `rest_after`, and whoever
  /// goes on with rest() when something comes for it need not keep this object till then. The
  /// stream's read deadline is the end of its time.
  bool rests() const { return state_ == State::resting; }
  H1Rest rest() const { return {requests_, idle_until_}; }
  /// Requests handed out so far.
  std::uint64_t requests() const { return requests_; }

  /// The connection ends with the answer under way; an idle one after a short grace, in which a
  /// request that was just being sent is still answered.
  void drain() override;
  /// What is idle rests, and is no longer here.
  bool make_way() override { return false; }

  /// After next() was null: what the client began with where that is HTTP/2 (RFC 9113 §3.3) and
  /// `may_be_h2` lets it. The stream is open and untouched then. Else empty.
  std::string take_preface() { return std::move(preface_); }

 private:
  enum class State : std::uint8_t { idle, resting, reading_head, answering, over };
  enum class Came : std::uint8_t { bytes, end, overdue };
  // What is still read of a body that nobody wanted, or of a connection that is being closed:
  // closing with bytes unread resets the connection and can destroy the answer on its way
  // (RFC 9112 §9.6).
  static constexpr std::uint64_t most_discarded = 256 * 1024;

  RequestHead& request() override { return head_; }
  Started<BodyPiece> start_read_body() override;
  void limit_body(std::uint64_t bytes) override { body_limit_ = bytes; }
  bool body_finished() const override { return reader_.finished(); }
  bool body_at_hand() const override { return reader_.body_at_hand(); }
  bool client_gone() override;
  awaitable<Result<void>> send_informational(const ResponseHead& head) override;
  Started<void> start_head(const ResponseHead& head) override;
  Started<void> start_body(std::string_view bytes, End end) override;
  awaitable<Result<void>> send_trailers(const Fields& trailers) override;
  Started<void> start_flush() override { return writer_.flush(); }
  void abort() override;
  void close_after() override { keep_alive_ = false; }
  awaitable<Result<Raw>> upgrade(const ResponseHead& head) override;
  void forget_head() override;

  bool is_over_cleanly() const;
  void expect_request();
  bool may_rest(const Error& why) const;
  Result<ServerExchange*> ended_between(const Error& why);
  awaitable<Result<Came>> more_bytes();
  awaitable<Result<bool>> await_head();
  Result<ServerExchange*> begin_exchange();
  awaitable<bool> end_exchange();
  awaitable<bool> drain_body();
  awaitable<Error> turn_away(Refusal refusal);
  awaitable<void> linger();
  Result<void> send_continue();
  Result<BodyPiece> accounted(Result<BodyPiece> piece);
  awaitable<Result<BodyPiece>> await_body(Started<BodyPiece> reading);
  awaitable<Result<void>> await_sent(Started<void> sending, std::size_t bytes);
  Result<void> accounted(Result<void> sent, std::size_t bytes);
  void write_status_line(int status, std::string_view reason);
  void write_head(const ResponseHead& head);
  void choose_framing(const ResponseHead& head);
  bool begins_as_h2();
  void reset_exchange();
  bool body_left_unread() const;

  net::Stream& stream_;
  H1Worker worker_;
  H1ServerSettings settings_;
  MessageReader reader_;
  MessageWriter writer_;
  State state_ = State::idle;
  RequestHead head_;
  Refusal refusal_;
  std::string preface_;
  std::uint64_t requests_ = 0;
  std::uint64_t at_hand_ = 0;  // of them, there already when they were looked for
  Steady idle_until_;          // max: not idle yet
  std::uint64_t body_limit_ = 0;
  bool keep_alive_ = true;
  bool draining_ = false;
  bool continue_wanted_ = false;  // the client waits for 100 and was told nothing yet
  bool failed_ = false;           // the exchange cannot be ended properly
  bool upgraded_ = false;
};

}  // namespace gatehouse::http
