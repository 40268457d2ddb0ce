#pragma once

#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/net/stream.hpp"

namespace gatehouse::test {

/// The far end of a ScriptedStream, in the hands of the test; lives on when the stream is gone.
/// One thread: that of the io_context.
class Script {
 public:
  static constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

  // What the peer does. Order counts: octets, then how they end.
  /// One piece: a read never takes octets of two pieces.
  void send(std::string_view piece);
  /// The peer ends its side properly after what it has sent.
  void end();
  /// The connection breaks after what was sent: reads then fail with Fault::closed.
  void cut();
  /// Reads break after `bytes` octets counted from the start of the stream.
  void cut_reads_after(std::size_t bytes);
  /// Writes break after `bytes` octets counted from the start of the stream.
  void cut_writes_after(std::size_t bytes);
  /// No read or write moves more than this at once.
  void at_most(std::size_t bytes_per_read, std::size_t bytes_per_write = no_limit);
  /// How many octets the peer still takes; at 0 a write has to wait. Without limit at first.
  void take(std::size_t bytes);
  /// What secures the stream has done nearly all it may.
  void wear() { worn_ = true; }
  /// Also called with every piece written.
  void on_write(std::function<void(std::string_view)> hear) { hear_ = std::move(hear); }

  // What our side did.
  const std::string& written() const { return written_; }
  /// The same, one entry a write.
  const std::vector<std::string>& writes() const { return writes_; }
  /// What was written and not yet taken by an earlier call.
  std::string take_written();
  bool write_ended() const { return write_ended_; }
  bool closed() const { return closed_; }
  /// Octets sent that nobody has read yet.
  std::size_t unread() const;
  std::size_t read_bytes() const { return read_bytes_; }
  /// True while a coroutine waits for that direction.
  bool waiting(net::Want want) const { return parked_[index(want)] != nullptr; }

 private:
  friend class ScriptedStream;
  enum class Tail : std::uint8_t { open, ended, cut };
  static std::size_t index(net::Want want) { return want == net::Want::read ? 0 : 1; }
  void wake(net::Want want);

  std::deque<std::string> pieces_;
  Tail tail_ = Tail::open;
  std::size_t read_cut_ = no_limit;
  std::size_t write_cut_ = no_limit;
  std::size_t per_read_ = no_limit;
  std::size_t per_write_ = no_limit;
  std::size_t window_ = no_limit;
  std::size_t read_bytes_ = 0;
  std::size_t taken_ = 0;
  std::string written_;
  std::vector<std::string> writes_;
  std::function<void(std::string_view)> hear_;
  bool write_ended_ = false;
  bool closed_ = false;
  bool worn_ = false;
  std::function<void()> on_end_;
  asio::steady_timer* parked_[2] = {nullptr, nullptr};

  friend void join(const std::shared_ptr<Script>& a, const std::shared_ptr<Script>& b);
};

/// A stream whose far end is a Script. Deadlines are those of `clock`.
class ScriptedStream final : public net::Stream {
 public:
  ScriptedStream(std::shared_ptr<Script> script, Clock& clock, Side side = Side::client);
  ~ScriptedStream() override;

  net::IoResult try_read(std::span<char> into) override;
  net::IoResult try_write(std::string_view from) override;
  awaitable<Result<void>> wait(net::Want want) override;
  /// After a first wait().
  void rest(std::unique_ptr<net::Sleeper> sleeper) override;
  void deadline(net::Want want, Steady when) override;
  void shutdown_write() override;
  void close() noexcept override;
  bool silent() override;
  bool worn() const override { return script_->worn_; }

 private:
  bool may_move(net::Want want) const;
  awaitable<void> keep(std::unique_ptr<net::Sleeper> sleeper);
  net::IoResult broken(std::string_view doing);

  std::shared_ptr<Script> script_;
  Clock& clock_;
  Steady deadlines_[2] = {Steady::max(), Steady::max()};
  asio::any_io_executor executor_;
};

/// Makes two scripts one connection: what the stream of one writes, the stream of the other reads;
/// an ended or closed side is seen as an end by the other.
void join(const std::shared_ptr<Script>& a, const std::shared_ptr<Script>& b);

}  // namespace gatehouse::test
