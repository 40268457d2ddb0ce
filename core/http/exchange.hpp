#pragma once

#include <memory>

#include "core/base/asio.hpp"
#include "core/base/error.hpp"
#include "core/base/started.hpp"
#include "core/http/message.hpp"
#include "core/net/stream.hpp"

namespace gatehouse::http {

/// One request and its answer, seen from the side that answers. HTTP/1.1 and HTTP/2 each implement
/// it; the road in proxy/serve knows only this. One worker. `read_body` may be called by one
/// coroutine while another one sends. What mostly need not wait is there twice: start_…() for the
/// road of every request, the other name for everybody else.
class ServerExchange : public Recycled {
 public:
  virtual ~ServerExchange() = default;

  /// Valid to the end of the exchange. The road may change its fields.
  virtual RequestHead& request() = 0;
  /// Reads on. Sends `100 Continue` first where the client waits for it and nothing was answered
  /// yet. Errors: Side::client; Fault::bad_message (framing), limit (body limit), timeout, closed.
  awaitable<Result<BodyPiece>> read_body() { return start_read_body().whole(); }
  virtual Started<BodyPiece> start_read_body() = 0;
  /// Bytes of the body past which read_body() fails with Fault::limit; may be lowered before the
  /// first read.
  virtual void limit_body(std::uint64_t bytes) = 0;
  virtual bool body_finished() const = 0;
  /// True when read_body() would return at once with bytes that are already here. What was held
  /// back towards the other side must be flushed before a read that may wait.
  virtual bool body_at_hand() const { return false; }
  /// True when nobody is left to answer: the connection (or stream) was reset. A client that only
  /// ended its sending side still waits for its answer. Costs a system call; ask now and then while
  /// waiting for something else.
  virtual bool client_gone() { return false; }

  /// 1xx other than 100 and 101. Dropped for HTTP/1.0.
  virtual awaitable<Result<void>> send_informational(const ResponseHead& head) = 0;
  /// The head may be held back until the first body bytes so that both leave in one write; flush()
  /// or the last piece sends it. The exchange adds framing and Connection fields, and Date where it
  /// is missing. HEAD, 204 and 304 send no body whatever `head.length` says.
  awaitable<Result<void>> send_head(const ResponseHead& head) { return start_head(head).whole(); }
  virtual Started<void> start_head(const ResponseHead& head) = 0;
  awaitable<Result<void>> send_body(std::string_view bytes, End end) {
    return start_body(bytes, end).whole();
  }
  virtual Started<void> start_body(std::string_view bytes, End end) = 0;
  /// Ends the body with trailers, where the protocol and the client can take them.
  virtual awaitable<Result<void>> send_trailers(const Fields& trailers) = 0;
  awaitable<Result<void>> flush() { return start_flush().whole(); }
  virtual Started<void> start_flush() = 0;
  /// Ends the exchange so that the client sees a truncated answer, never a complete one.
  virtual void abort() = 0;
  /// After this answer the connection ends (drain, or a body left unread).
  virtual void close_after() = 0;
  /// Sends `101 Switching Protocols` with `head`'s fields and hands over the raw bytes: first what
  /// was already read (`early`), then the stream. Null where the protocol cannot.
  struct Raw {
    net::Stream* stream = nullptr;
    std::string early;
  };
  virtual awaitable<Result<Raw>> upgrade(const ResponseHead& head) = 0;
  /// After it: method, path, query and authority of the request stay, its fields go, and with them
  /// the buffer that the head was read into. Whoever holds views of it has copied them.
  virtual void forget_head() {}

  // Virtual for exchanges that wrap another one: theirs are its counts.
  virtual bool head_sent() const { return head_sent_; }
  virtual std::uint64_t body_bytes_in() const { return bytes_in_; }
  virtual std::uint64_t body_bytes_out() const { return bytes_out_; }

 protected:
  bool head_sent_ = false;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
};

/// The server's end of a client's connection, whatever its protocol.
class ServerConnection {
 public:
  /// Without a request for so long it is idle: it may rest, or make way for others.
  static constexpr std::chrono::milliseconds idle_after{500};
  /// How long an idle one that is to end waits for a request that is on its way already.
  static constexpr std::chrono::seconds drain_grace{1};

  /// Lets the connection end as soon as nothing is under way on it.
  virtual void drain() = 0;
  /// Somebody waits for its place: drains where it is idle. False: it is not, or is on its way out
  /// already.
  virtual bool make_way() = 0;
  /// It is cut now: says so where the protocol has a word for that and no other is half said. Never
  /// waits.
  virtual void take_leave() {}

 protected:
  ~ServerConnection() = default;
};

/// One request and its answer, seen from the side that asks (backends, CAs, ask endpoints). Errors
/// are blamed on the stream's side.
class ClientExchange : public Recycled {
 public:
  virtual ~ClientExchange() = default;

  /// `head` is written as given plus Host and framing; hop-by-hop fields are the caller's to
  /// remove. With `head.websocket` Upgrade and Connection are added. Held back until the first body
  /// bytes, flush(), or a head without body.
  awaitable<Result<void>> send_head(const RequestHead& head) { return start_head(head).whole(); }
  virtual Started<void> start_head(const RequestHead& head) = 0;
  awaitable<Result<void>> send_body(std::string_view bytes, End end) {
    return start_body(bytes, end).whole();
  }
  virtual Started<void> start_body(std::string_view bytes, End end) = 0;
  virtual awaitable<Result<void>> send_trailers(const Fields& trailers) = 0;
  awaitable<Result<void>> flush() { return start_flush().whole(); }
  virtual Started<void> start_flush() = 0;

  /// The next head: 1xx heads come one by one before the final one (100 included, at most 20). The
  /// head is valid until the next call, and its fields may be changed: a forwarder edits them in
  /// place and passes them on.
  awaitable<Result<ResponseHead*>> read_head() { return start_read_head().whole(); }
  virtual Started<ResponseHead*> start_read_head() = 0;
  awaitable<Result<BodyPiece>> read_body() { return start_read_body().whole(); }
  virtual Started<BodyPiece> start_read_body() = 0;
  /// True when read_body() would return at once with bytes that are already here.
  virtual bool body_at_hand() const { return false; }
  /// True once any byte of an answer has arrived.
  virtual bool answered() const = 0;
  virtual std::uint64_t bytes_sent() const = 0;
  /// True when both messages ended at their borders and neither side asked to close: the
  /// connection may carry another exchange.
  virtual bool reusable() const = 0;
  /// Until when this exchange may wait in that direction; Steady::max() (the start): for ever. A
  /// wait past it fails with Fault::timeout.
  virtual void deadline(net::Want want, Steady when) = 0;
  /// Gives the exchange up; what waits in it fails with Fault::closed.
  virtual void abort() = 0;
  /// After a 101: the raw stream and what was already read past the head.
  virtual ServerExchange::Raw raw() = 0;
};

}  // namespace gatehouse::http
