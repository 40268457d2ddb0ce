#pragma once

#include <deque>
#include <optional>

#include "core/http/h2_client.hpp"
#include "core/http/h2_stream.hpp"

namespace gatehouse::http {

/// One request and its answer on one stream, from the side that asks.
class H2ClientExchange final : public ClientExchange, public H2Stream {
 public:
  explicit H2ClientExchange(H2ClientConnection& connection);
  ~H2ClientExchange() override;

  Started<void> start_head(const RequestHead& head) override;
  Started<void> start_body(std::string_view bytes, End end) override;
  awaitable<Result<void>> send_trailers(const Fields& trailers) override;
  Started<void> start_flush() override;
  Started<ResponseHead*> start_read_head() override { return await_head(); }
  Started<BodyPiece> start_read_body() override { return read(); }
  bool body_at_hand() const override { return at_hand(); }
  bool answered() const override { return answered_; }
  std::uint64_t bytes_sent() const override { return bytes_sent_; }
  bool reusable() const override { return !failed(); }
  ServerExchange::Raw raw() override;
  void deadline(net::Want want, Steady when) override { H2Stream::deadline(want, when); }
  void abort() override { reset(H2Code::cancel); }

 private:
  friend class H2ClientConnection;
  static constexpr unsigned most_informational = 20;

  H2ClientConnection* client() const;
  awaitable<Result<ResponseHead*>> await_head();
  awaitable<Result<void>> await_sent(Started<void> sending, std::size_t bytes);
  /// Where the next block's fields go; null: to nobody, the answer's head is there.
  Fields* begin_head();
  void head_ended(End end);
  void switch_protocols(ResponseHead& head);

  Asked asked_;
  std::string websocket_key_;
  std::deque<ResponseHead> heads_;  // come in and not yet read; the last may be incomplete
  ResponseHead head_;               // handed out
  bool collecting_ = false;         // the last of heads_ is incomplete
  bool final_head_ = false;         // it has come
  unsigned informational_ = 0;
  bool answered_ = false;
  std::uint64_t bytes_sent_ = 0;
  std::optional<std::uint64_t> left_;
  std::optional<H2Tunnel> tunnel_;
};

}  // namespace gatehouse::http
