#pragma once

#include <memory>
#include <string>

#include "core/tls/detail/wire.hpp"
#include "core/tls/tls_stream.hpp"

struct ssl_ctx_st;

namespace gatehouse::tls::detail {

class TrafficSecrets;

struct FreeSsl {
  void operator()(ssl_st* ssl) const;
};

/// One TLS connection: what handshake and record mover hand over. Empty after a move.
class Session {
 public:
  Session() = default;
  /// On `context`, over `under`; OpenSSL without memory throws.
  Session(ssl_ctx_st* context, std::unique_ptr<net::Stream> under);

  ssl_st* ssl() const { return ssl_.get(); }
  Wire& wire() const { return *wire_; }

  enum class Next : std::uint8_t { done, read, suspended, failed };
  /// One step of the handshake; its octets wait in the wire for flush(). `failed`: problem().
  Next shake();
  const Error& problem() const { return problem_; }
  bool plain_http() const { return plain_http_; }
  ServerHandshake::Turned turned_away() const { return turned_; }

  SessionFacts facts() const;

 private:
  void explain(int code);

  std::unique_ptr<Wire> wire_;  // outlives the SSL
  std::unique_ptr<ssl_st, FreeSsl> ssl_;
  Error problem_;
  bool plain_http_ = false;
  ServerHandshake::Turned turned_ = ServerHandshake::Turned::no;
};

/// Sends what the wire holds, waiting where the stream below is full.
awaitable<Result<void>> flush(Wire& wire);

/// The record mover over a session whose handshake is done. `held` lives as long as the stream.
std::unique_ptr<TlsStream> make_records(Session session, SessionFacts facts,
                                        std::shared_ptr<const void> held,
                                        const RecordLimits& limits);

/// The same without an SSL, which is freed: for TLS 1.3 on the server's side, where `secrets` heard
/// all of the handshake and its wire read ahead. Null: it cannot be, and nothing has changed.
std::unique_ptr<TlsStream> make_lean_records(Session& session, const SessionFacts& facts,
                                             const TrafficSecrets& secrets,
                                             const RecordLimits& limits);

}  // namespace gatehouse::tls::detail
