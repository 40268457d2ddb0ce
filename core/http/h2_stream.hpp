#pragma once

#include <optional>
#include <string>
#include <utility>

#include "core/base/asio.hpp"
#include "core/http/arrivals.hpp"
#include "core/http/exchange.hpp"
#include "core/http/h2_session.hpp"
#include "core/net/deadline_wheel.hpp"

namespace gatehouse::http {

class H2Connection;

/// What one direction of a stream waits on: something happened, or its deadline passed. At most one
/// coroutine waits.
class H2Waiter {
 public:
  explicit H2Waiter(net::DeadlineWheel& wheel) : entry_(wheel, this, &H2Waiter::expired) {}

  /// Returns once notify() was called or the deadline passed. False: the coroutine was cancelled
  /// and must end without another wait.
  awaitable<bool> wait();
  void notify() {
    if (woken_) woken_->cancel();
  }
  void deadline(Steady when);
  bool overdue() const { return overdue_; }

 private:
  static void expired(void* self) noexcept;
  std::optional<asio::steady_timer> woken_;  // most streams never wait
  net::DeadlineWheel::Entry entry_;
  bool overdue_ = false;
};

/// How slow a peer may be. Times of 0: deadlines are the caller's.
struct H2Pace {
  std::chrono::milliseconds read_idle{0};
  std::chrono::milliseconds write_idle{0};
  std::uint64_t min_rate = 0;  // bytes a second while we wait for the peer; 0: off
};

/// How fast octets move while somebody waits for that. Judges a whole window of waiting at a time.
class H2Rate {
 public:
  H2Rate(std::uint64_t bytes_per_second, Steady::duration window)
      : least_(static_cast<double>(bytes_per_second)), window_(window) {}
  void moved(std::size_t bytes) { bytes_ += bytes; }
  void waited(Steady::duration time) { waited_ += time; }
  bool too_slow();

 private:
  double least_;
  Steady::duration window_;
  Steady::duration waited_{0};
  std::uint64_t bytes_ = 0;
};

/// One stream: the part of an exchange that is alike for both sides. It may outlive its connection;
/// everything it does fails with Fault::closed then. On the connection's worker.
///
/// Back-pressure: what arrived stays here until it is read, and only then does the peer get credit
/// for more; what is to be sent stays with the sender until it fits into the connection's output.
class H2Stream {
 public:
  H2Stream(H2Connection& connection, Side peer, const H2Pace& pace);
  H2Stream(const H2Stream&) = delete;
  H2Stream& operator=(const H2Stream&) = delete;
  virtual ~H2Stream();

  // Told by the connection.
  void open(std::int32_t id) { id_ = id; }
  std::int32_t id() const { return id_; }
  /// So many octets will come, no more and no less (RFC 9113 §8.1.1).
  void announce(std::uint64_t bytes) { in_left_ = bytes; }
  /// False: more than was announced; nothing is taken.
  bool arrived(std::string_view bytes);
  /// False: less came than was announced.
  bool ended();
  /// Both sides have said all: how the stream closes tells nothing more.
  bool complete() const { return in_ended_ && out_done_; }
  void closed(Error why);
  void detached(Error why);
  H2Stream* next() const { return next_; }
  H2Portion portion(std::size_t most);
  std::string_view take(std::size_t bytes);
  void may_send() { writable_.notify(); }
  Fields& trailers() { return trailers_; }

  // For a tunnel through the stream.
  net::IoResult try_read(std::span<char> into);
  net::IoResult try_write(std::string_view from);
  awaitable<Result<void>> wait(net::Want want);
  void deadline(net::Want want, Steady when);
  void end_sending();
  bool nothing_came() const { return unread() == 0 && !in_ended_ && !failed(); }

  bool failed() const { return failure_.has_value(); }
  const Error& failure() const { return *failure_; }
  void reset(H2Code code);

 protected:
  Started<BodyPiece> read();
  Started<void> send(std::string_view bytes, End end, const Fields* trailers);
  void flush();
  bool at_hand() const { return !arriving_.empty() || in_ended_; }
  bool read_finished() const { return in_ended_ && arriving_.empty(); }
  bool in_ended() const { return in_ended_; }
  bool sending_finished() const { return out_done_; }
  /// The head was the whole message.
  void nothing_to_send() { out_done_ = true; }
  H2Connection* connection() const { return connection_; }
  H2Waiter& readable() { return readable_; }
  Error cancelled() const;
  Side peer() const { return peer_; }
  /// What destroying the unfinished stream tells the peer.
  void on_loss(H2Code code) { loss_ = code; }

 private:
  awaitable<Result<BodyPiece>> await_body();
  Result<BodyPiece> take_piece();
  /// The sender's octets are looked at only while this lives: awaited or not, they may go then.
  class Loan {
   public:
    explicit Loan(H2Stream& stream) : stream_(&stream) {}
    Loan(Loan&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
    Loan& operator=(Loan&&) = delete;
    ~Loan() {
      if (stream_ != nullptr) stream_->withdraw();
    }

   private:
    H2Stream* stream_;
  };
  awaitable<Result<void>> await_room(Loan loan);
  void withdraw();
  std::size_t unread() const { return arriving_.size() + tunnel_left_.size(); }
  bool pending() const { return !outgoing_.empty() || (out_end_ && !out_done_); }
  void give_credit();
  void widen();
  void begin_wait(H2Waiter& waiter, Steady::duration idle);

  void leave();

  H2Connection* connection_;
  Clock* clock_;
  H2Stream* next_ = nullptr;  // in the connection's list
  H2Stream** back_ = nullptr;
  Side peer_;
  std::int32_t id_ = 0;
  Steady::duration read_idle_;  // 0: deadlines are the caller's
  Steady::duration write_idle_;
  H2Rate in_rate_;
  H2Rate out_rate_;
  Steady waiting_since_{};  // of a send that had to wait
  H2Waiter readable_;
  H2Waiter writable_;
  std::optional<Error> failure_;
  H2Code loss_ = H2Code::cancel;

  Arrivals arriving_;             // not looked at yet
  std::size_t credit_ = 0;        // of the piece that was handed out, not yet given back
  std::string_view tunnel_left_;  // of a piece, not yet read from the tunnel
  std::size_t window_;            // what the peer may send ahead
  std::size_t since_widened_ = 0;
  bool in_ended_ = false;
  std::optional<std::uint64_t> in_left_;  // of a body that is announced
  Fields trailers_;

  std::string_view outgoing_;  // the sender's, while send() waits
  const Fields* out_trailers_ = nullptr;
  std::string tunnel_out_;  // a tunnel's, which waits for nobody
  std::string taken_out_;
  bool out_end_ = false;
  bool out_done_ = false;
};

/// The octets of a stream after its heads, as tunnels want them. Lives inside its exchange.
class H2Tunnel final : public net::Stream {
 public:
  H2Tunnel(H2Stream& stream, Side peer) : Stream(peer), stream_(stream) {}
  net::IoResult try_read(std::span<char> into) override;
  net::IoResult try_write(std::string_view from) override;
  awaitable<Result<void>> wait(net::Want want) override;
  void deadline(net::Want want, Steady when) override { stream_.deadline(want, when); }
  void shutdown_write() override { stream_.end_sending(); }
  void close() noexcept override { stream_.reset(H2Code::cancel); }
  bool silent() override { return stream_.nothing_came(); }

 private:
  net::IoResult checked(net::IoResult result);
  H2Stream& stream_;
};

}  // namespace gatehouse::http
