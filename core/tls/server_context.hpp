#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/tls/certificate_index.hpp"
#include "core/tls/tickets.hpp"

namespace gatehouse::tls {

/// Who may come in by a certificate of the client's own.
struct ClientAuth {
  enum class Mode : std::uint8_t {
    off,
    request,  // who shows one must be let in by it, who has none comes in without
    require,
  };
  Mode mode = Mode::off;
  std::string roots;  // PEM: what a client's certificate must chain to, by the signatures below it
  std::string crl;    // PEM: revocation lists; empty: nobody is looked up
  bool operator==(const ClientAuth&) const = default;
};

/// What a policy allows. Equal settings make one policy: hosts that share it may share connections
/// and tickets; everything else is answered 421 (reference: SNI against Host).
struct PolicySettings {
  int min_version = 12;                          // 12 or 13
  std::string ciphers = "default";               // OpenSSL cipher list for TLS 1.2
  std::vector<std::string> alpn = {"http/1.1"};  // in our order of preference
  ClientAuth client_auth;
  /// TLS 1.3 records outside the SSL after the handshake. No part of the policy's id: whoever shook
  /// hands with it may go on without.
  bool lean_records = false;
  bool operator==(const PolicySettings&) const = default;
};

/// One SSL_CTX of the server side: versions, suites, ALPN, ticket keys. No certificates: those are
/// attached in the ClientHello callback. Immutable and shared by all workers.
class ServerPolicy {
 public:
  static Result<std::shared_ptr<const ServerPolicy>> make(const PolicySettings& settings,
                                                          std::shared_ptr<TicketKeys> tickets);
  virtual ~ServerPolicy() = default;
  /// Equal for equal settings within a process.
  const std::string& id() const { return *id_; }
  /// The same for whoever outlives this.
  const std::shared_ptr<const std::string>& shared_id() const { return id_; }
  const PolicySettings& settings() const { return settings_; }
  /// When the first of the clients' revocation lists runs out: from then on none of them is let in.
  const std::optional<Wall>& crl_until() const { return crl_until_; }

 protected:
  std::shared_ptr<const std::string> id_;
  std::optional<Wall> crl_until_;
  PolicySettings settings_;
};

/// What a ClientHello says, as far as the choice needs it. Views die with the callback.
struct Hello {
  std::string_view server_name;       // normal form, no trailing dot; empty: none was sent
  bool bad_server_name = false;       // an SNI that is no host name
  bool offers_acme_tls_alpn = false;  // the ALPN list is exactly ["acme-tls/1"] (RFC 8737 §3)
  bool accepts_ecdsa = true;
  bool accepts_rsa = true;
};

/// What to do with a ClientHello.
struct HelloAnswer {
  enum class Kind : std::uint8_t {
    serve,      // with `policy` and `certificates`
    challenge,  // a CA's probe: `certificates` is the tls-alpn-01 one, ALPN acme-tls/1, then close
    wait,       // for a certificate that is being loaded or ordered, or for its turn: the
                // handshake is suspended
    refuse,     // with `alert`
  };
  Kind kind = Kind::refuse;
  std::shared_ptr<const ServerPolicy> policy;
  CertificateHandle certificates;
  std::uint8_t alert = 112;  // TLS AlertDescription: unrecognized_name
};

/// Decides on a ClientHello. Called on the connection's worker, inside the handshake; again after
/// `wait` once the stream's owner calls handshake() anew. Must not throw and must not block.
class HelloJudge {
 public:
  virtual ~HelloJudge() = default;
  virtual HelloAnswer judge(const Hello& hello) noexcept = 0;
};

}  // namespace gatehouse::tls
