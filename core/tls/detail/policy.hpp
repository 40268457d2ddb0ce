#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/tls/detail/client_trust.hpp"
#include "core/tls/detail/policy_tickets.hpp"
#include "core/tls/server_context.hpp"

struct ssl_st;
struct ssl_ctx_st;
struct ssl_method_st;

namespace gatehouse::tls::detail {

/// What OpenSSL's callbacks ask of the handshake they run in. Hung on the SSL as its app data;
/// taken off when the handshake is over.
class HandshakeHooks {
 public:
  virtual ~HandshakeHooks() = default;
  /// SSL_CLIENT_HELLO_* as OpenSSL wants it.
  virtual int client_hello(ssl_st* ssl, int* alert) noexcept = 0;
  /// The protocols to choose from, in our order.
  virtual const std::vector<std::string>& alpn() const noexcept = 0;
  /// Null: no tickets.
  virtual const PolicyTickets* tickets() const noexcept = 0;
  /// Whether a ticket's session may be taken up.
  virtual bool resumes(const ssl_session_st* session) const noexcept = 0;
};

/// ServerPolicy with its insides.
class OpenPolicy final : public ServerPolicy {
 public:
  static Result<std::shared_ptr<OpenPolicy>> open(const PolicySettings& settings,
                                                  std::shared_ptr<TicketKeys> keys);
  /// The policy every connection starts on, before its ClientHello is read.
  static const OpenPolicy& front();

  ssl_ctx_st* context() const { return context_.get(); }
  const PolicyTickets* tickets() const { return tickets_.get(); }
  /// Null: no client is asked for a certificate.
  const ClientTrust* trust() const { return trust_.get(); }
  int min_protocol() const;
  // TLS 1.2 suites by what the certificate's key must be.
  const std::vector<std::uint16_t>& ecdsa_suites() const { return ecdsa_suites_; }
  const std::vector<std::uint16_t>& rsa_suites() const { return rsa_suites_; }

 private:
  OpenPolicy() = default;
  Result<void> build();

  std::shared_ptr<ssl_ctx_st> context_;
  std::unique_ptr<PolicyTickets> tickets_;
  std::unique_ptr<ClientTrust> trust_;
  std::vector<std::uint16_t> ecdsa_suites_;
  std::vector<std::uint16_t> rsa_suites_;
};

/// A context as all of ours begin. Null: OpenSSL says why.
ssl_ctx_st* new_context(const ssl_method_st* method);

/// What all our contexts have in common, of servers and clients. False: OpenSSL says why.
bool set_up(ssl_ctx_st* context, int min_protocol);

/// The groups this OpenSSL knows of those we want, in our order: "X25519MLKEM768:X25519:…".
const std::string& groups();

}  // namespace gatehouse::tls::detail
