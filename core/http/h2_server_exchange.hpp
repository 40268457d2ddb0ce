#pragma once

#include <optional>

#include "core/http/h2_server.hpp"
#include "core/http/h2_stream.hpp"

namespace gatehouse::http {

/// One request and its answer on one stream.
class H2ServerExchange final : public ServerExchange, public H2Stream {
 public:
  H2ServerExchange(H2ServerConnection& connection, const H2ServerSettings& settings);

  RequestHead& request() override { return head_; }
  Started<BodyPiece> start_read_body() override { return read_on(); }
  void limit_body(std::uint64_t bytes) override { body_limit_ = bytes; }
  bool body_finished() const override { return read_finished(); }
  bool body_at_hand() const override { return at_hand(); }
  bool client_gone() override { return failed(); }
  awaitable<Result<void>> send_informational(const ResponseHead& head) override;
  Started<void> start_head(const ResponseHead& head) override;
  Started<void> start_body(std::string_view bytes, End end) override;
  awaitable<Result<void>> send_trailers(const Fields& trailers) override;
  Started<void> start_flush() override;
  void abort() override { reset(H2Code::internal_error); }
  /// Other streams go on: nothing left unread here stands in their way.
  void close_after() override {}
  awaitable<Result<Raw>> upgrade(const ResponseHead& head) override;

 private:
  H2ServerConnection* server() const;
  awaitable<Result<BodyPiece>> read_on();
  awaitable<Result<void>> await_sent(Started<void> sending, std::size_t bytes);
  Result<void> submit(std::span<const Field> lines, End end);
  Result<void> length_kept(std::size_t bytes, End end);

  RequestHead head_;
  std::uint64_t body_limit_;
  bool continue_wanted_ = false;
  bool may_be_silent_ = false;         // between the pieces of its body, for as long as it likes
  std::optional<std::uint64_t> left_;  // of an answer whose length was told
  std::optional<H2Tunnel> tunnel_;

  friend class H2ServerConnection;
};

}  // namespace gatehouse::http
