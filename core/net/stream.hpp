#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/base/asio.hpp"
#include "core/base/clock.hpp"
#include "core/base/error.hpp"

namespace gatehouse::net {

enum class Want : std::uint8_t { read, write };

enum class IoState : std::uint8_t {
  done,        // `bytes` were moved, at least one
  want_read,   // nothing moved: wait(Want::read) first
  want_write,  // nothing moved: wait(Want::write) first
  end,         // read: the peer has ended its side properly
  failed,      // see error()
};

struct IoResult {
  IoState state;
  std::size_t bytes;
};

/// Somebody who waits for a stream to be read without a coroutine, whose frames would be most of
/// what an idle connection costs. See Stream::rest().
class Sleeper {
 public:
  enum class Woken : std::uint8_t {
    ready,    // a read may find something
    overdue,  // the read deadline has passed
    closed,   // the stream was closed here
  };
  virtual ~Sleeper() = default;
  /// `self` is this.
  virtual void wake(std::unique_ptr<Sleeper> self, Woken why) = 0;
};

/// A bidirectional byte stream: a plain socket, or TLS over one. Belongs to one worker; at most one
/// coroutine reads and one writes at a time. Nothing here blocks. The plain form is: wait, then
/// try; after a finished answer wait first, because a read that can only say "not yet" is a system
/// call for nothing.
///
/// Each direction has one deadline that is moved by assignment; a wait past it fails with
/// Fault::timeout. `Steady::max()` (the start) means none.
class Stream {
 public:
  /// `side` is whom errors of this stream are blamed on.
  explicit Stream(Side side) : side_(side) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  virtual IoResult try_read(std::span<char> into) = 0;
  virtual IoResult try_write(std::string_view from) = 0;
  /// Returns once the direction may move again, or has failed, or at the deadline.
  virtual awaitable<Result<void>> wait(Want want) = 0;
  /// wait(Want::read) without a coroutine: keeps `sleeper`, who owns this stream, until the wait is
  /// over, and then wakes it, never from within this call. Not cancelled with a task: close() ends
  /// it. Requires: nobody waits to read, and nothing is pending(). For streams that clients'
  /// connections are made of; the others throw.
  virtual void rest(std::unique_ptr<Sleeper> sleeper);
  virtual void deadline(Want want, Steady when) = 0;
  /// Ends our side: TLS close_notify, then FIN. Best effort, at once.
  virtual void shutdown_write() = 0;
  /// Closes now; a wait under way fails with Fault::closed. May be called twice.
  virtual void close() noexcept = 0;
  /// True when a read could deliver bytes that were already taken off the socket.
  virtual bool pending() const { return false; }
  /// True when nothing has come since the last read: neither octets nor the peer's end. Asks the
  /// kernel, and never waits. What a protocol below says to itself (a TLS session ticket) is taken
  /// in and does not count. For a stream that nobody reads at the moment.
  virtual bool silent() = 0;
  /// The same without asking the kernel: what came before the event loop's present turn would be
  /// known. False: not known.
  virtual bool known_silent() const { return false; }
  /// True when what secures the stream has done nearly all it may: the message under way should be
  /// its last.
  virtual bool worn() const { return false; }
  /// The descriptor below, -1 where there is none (tests); for socket options and peer names.
  virtual int descriptor() const { return -1; }

  const Error& error() const;
  Side side() const { return side_; }

  /// Tries, and waits when nothing is there. 0 bytes: the peer ended its side.
  awaitable<Result<std::size_t>> read_some(std::span<char> into);
  /// Writes all of `from`.
  awaitable<Result<void>> write(std::string_view from);

 protected:
  void fail(Fault fault, std::string detail) { fail(Error(fault, side_, std::move(detail))); }
  void fail(Error error) { error_ = std::make_unique<const Error>(std::move(error)); }

 private:
  Side side_;
  std::unique_ptr<const Error> error_;  // null: none, as with most
};

}  // namespace gatehouse::net
