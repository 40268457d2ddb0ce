#pragma once

#include <memory>

#include "core/http/exchange.hpp"
#include "core/http/h1.hpp"
#include "core/http/h1_message_io.hpp"

namespace gatehouse::http {

/// The client's end of an HTTP/1 connection: one exchange at a time, begun by send_head(). Owns
/// the stream; its deadlines are the caller's. Errors are blamed on the stream's side:
/// Fault::bad_message for what breaks the protocol, Fault::closed for an answer cut short.
class H1ClientConnection final : public ClientExchange {
 public:
  H1ClientConnection(std::unique_ptr<net::Stream> stream, net::BufferPool& pool,
                     HeadLimits limits = {});

  net::Stream& stream() { return *stream_; }
  /// Ask right before reuse: true when the idle connection is still there and silent. A server that
  /// closed it, or says something unasked (RFC 9112 §9.2), makes it useless.
  bool quiet() { return reader_.unread().empty() && !stream_->worn() && stream_->silent(); }
  /// The same as far as is known: enough for a request that may be sent again. One that may not
  /// must not meet a close that the kernel knows of already.
  bool quiet_as_known() {
    return reader_.unread().empty() && !stream_->worn() &&
           (stream_->known_silent() || stream_->silent());
  }
  /// The exchange is over and nothing of it is looked at any more: gives its buffers back. Call it
  /// before the connection is put aside.
  void rest() {
    reader_.end_message();
    head_.fields.clear();
  }
  /// Exchanges begun so far.
  std::uint64_t exchanges() const { return exchanges_; }

  Started<void> start_head(const RequestHead& head) override;
  Started<void> start_body(std::string_view bytes, End end) override;
  awaitable<Result<void>> send_trailers(const Fields& trailers) override;
  Started<void> start_flush() override { return writer_.flush(); }
  Started<ResponseHead*> start_read_head() override;
  Started<BodyPiece> start_read_body() override;
  bool body_at_hand() const override { return reader_.body_at_hand(); }
  bool answered() const override { return answered_; }
  std::uint64_t bytes_sent() const override { return writer_.bytes_written() - sent_before_; }
  bool reusable() const override;
  ServerExchange::Raw raw() override;
  void deadline(net::Want want, Steady when) override { stream_->deadline(want, when); }
  void abort() override { stream_->close(); }

 private:
  void begin_exchange(const RequestHead& head);
  void write_head(const RequestHead& head);
  void choose_framing(const RequestHead& head);
  /// Whether a whole head is there; nothing: `want` has to come first. Error: there will be none.
  std::optional<Result<void>> try_head(net::Want& want);
  awaitable<Result<ResponseHead*>> await_head(net::Want want);
  Result<ResponseHead*> take_head();
  awaitable<Result<void>> await_sent(Started<void> sending);
  awaitable<Result<BodyPiece>> await_body(Started<BodyPiece> reading);

  std::unique_ptr<net::Stream> stream_;
  MessageReader reader_;
  MessageWriter writer_;
  ResponseHead head_;
  Asked asked_;
  std::uint64_t exchanges_ = 0;
  std::uint64_t sent_before_ = 0;
  unsigned informational_ = 0;
  bool answered_ = false;
  bool final_head_ = false;
  bool keep_alive_ = false;  // it may carry the next request, whoever's that is
  bool failed_ = false;
};

}  // namespace gatehouse::http
