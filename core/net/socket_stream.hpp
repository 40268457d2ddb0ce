#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>

#include "core/net/deadline_wheel.hpp"
#include "core/net/readiness.hpp"
#include "core/net/stream.hpp"

namespace gatehouse::net {

using Socket = asio::generic::stream_protocol::socket;

/// A connected TCP or unix socket as a Stream. A read that came back shorter than asked for is
/// remembered: the next one waits for readiness instead of asking the kernel in vain.
class SocketStream final : public Stream {
 public:
  /// Takes the connected socket over and makes it non-blocking (TCP: no delay).
  SocketStream(Socket socket, DeadlineWheel& wheel, Side side);
  /// One that was accepted: non-blocking, and without delay where what accepted it was.
  SocketStream(const asio::any_io_executor& executor, int descriptor, DeadlineWheel& wheel,
               Side side);
  ~SocketStream() override;

  IoResult try_read(std::span<char> into) override;
  IoResult try_write(std::string_view from) override;
  awaitable<Result<void>> wait(Want want) override;
  void rest(std::unique_ptr<Sleeper> sleeper) override;
  void deadline(Want want, Steady when) override;
  void shutdown_write() override;
  void close() noexcept override;
  bool silent() override;
  bool known_silent() const override { return !closed_ && watch_.known_dry(); }
  int descriptor() const override;

 private:
  struct Direction {
    Direction(DeadlineWheel& wheel, SocketStream* stream, DeadlineWheel::Entry::Expire expire)
        : entry(wheel, stream, expire) {}
    DeadlineWheel::Entry entry;
    bool overdue = false;
  };
  static void read_overdue(void* stream) noexcept;
  static void write_overdue(void* stream) noexcept;
  Direction& direction(Want want) { return want == Want::read ? read_ : write_; }
  IoResult failure(int code, std::string_view doing);

  int fd_;
  Readiness::Watch watch_;
  bool closed_ = false;
  Direction read_;
  Direction write_;
};

}  // namespace gatehouse::net
