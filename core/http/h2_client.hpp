#pragma once

#include <memory>

#include "core/http/exchange.hpp"
#include "core/http/h2_connection.hpp"
#include "core/http/h2_stream.hpp"

namespace gatehouse::http {

struct H2ClientSettings {
  HeadLimits head;
  std::uint32_t streams = 100;              // at once, where the server allows as many
  std::uint32_t stream_window = 64 * 1024;  // grows with a reader that keeps up
  std::chrono::milliseconds idle{0};        // without streams; 0: for ever
  std::chrono::milliseconds write_idle{60'000};
  std::chrono::milliseconds ping_every{30'000};  // while streams wait in silence; 0: never
  std::chrono::milliseconds ping_answer{15'000};
  std::string_view scheme = "http";  // of requests
};

class H2ClientExchange;

/// The client's end of an HTTP/2 connection: many exchanges at once. Owns the stream; run() serves
/// it, whoever opens exchanges waits for that. On the stream's worker. Exchanges may outlive it.
///
/// Errors are blamed on the stream's side. Fault::refused: the server has not processed the request
/// (REFUSED_STREAM, or past its GOAWAY), any request may be sent again elsewhere (RFC 9113 §8.7).
class H2ClientConnection final : public H2Connection {
 public:
  H2ClientConnection(std::unique_ptr<net::Stream> stream, H2Worker worker,
                     const H2ClientSettings& settings);
  ~H2ClientConnection() override;

  /// Begins an exchange. Null: not now (the server's limit is reached), or never again, see open().
  std::unique_ptr<ClientExchange> begin();
  /// True while new exchanges may be begun some time.
  bool open() const;
  /// True when one may be begun now.
  bool has_room() const { return open() && streams_open() < most_streams(); }
  std::size_t streams_open() const { return begun_; }
  std::size_t most_streams() const;
  /// The server takes WebSockets here (RFC 8441). Known once its SETTINGS have come.
  bool takes_websockets() const;
  /// Returns once the server's first SETTINGS are there, so that what it allows is known. One
  /// coroutine waits.
  awaitable<Result<void>> greeting(Steady deadline);
  /// No further exchange: the connection ends with the last of those that have begun.
  void retire();

 private:
  friend class H2ClientExchange;
  void block_began(std::int32_t id, bool first) override;
  void block_ended(std::int32_t id, bool end_stream) override;
  void received() override;
  void settings_came() override;
  void left_open() override { greeting_.notify(); }
  void ended_exchange();
  void ping_answered() override;
  void goaway_came(std::int32_t last_stream, H2Code code) override;
  bool takes_requests() const;
  static void ping_due(void* self) noexcept;
  void watch_liveness();

  std::unique_ptr<net::Stream> owned_;
  H2ClientSettings settings_;
  net::DeadlineWheel::Entry liveness_;
  std::size_t begun_ = 0;  // exchanges alive
  H2Waiter greeting_;
  bool greeted_ = false;
  bool retired_ = false;
  bool goodbye_ = false;    // the server takes no more
  bool ping_sent_ = false;  // and not answered
};

}  // namespace gatehouse::http
