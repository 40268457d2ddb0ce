#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/tls/client_certificate.hpp"
#include "core/tls/server_context.hpp"

struct ssl_st;
struct ssl_ctx_st;
struct ssl_session_st;
struct x509_store_st;

namespace gatehouse::tls::detail {

/// Adds every certificate of a PEM text; at least one. Errors say which block is damaged.
Result<void> add_certificates(x509_store_st* store, std::string_view pem);

/// Whom a policy lets in by a certificate: roots and revocation lists, ready for OpenSSL.
/// Immutable, any thread.
class ClientTrust {
 public:
  /// Requires a mode other than off.
  static Result<std::unique_ptr<ClientTrust>> make(const ClientAuth& settings);
  ~ClientTrust();

  /// What stays with a context: where to look, and the names that clients choose by.
  bool attach(ssl_ctx_st* context) const;
  /// What must be said for each connection, because SSL_set_SSL_CTX does not bring it.
  void demand(ssl_st* ssl) const;
  /// Whether a session of this policy may be taken up: its client would still be let in. Who is
  /// revoked, or whose root is gone, has a session of another policy.
  bool resumes(const ssl_session_st* session, Wall now) const;
  /// When the first of the revocation lists runs out; none where there is no list, or no end.
  const std::optional<Wall>& crl_until() const { return crl_until_; }

 private:
  ClientTrust() = default;

  ClientAuth::Mode mode_ = ClientAuth::Mode::off;
  std::shared_ptr<x509_store_st> store_;
  std::optional<Wall> crl_until_;
};

/// The certificate the client has shown and proved; null: none.
std::shared_ptr<const ClientCertificate> client_certificate(const ssl_st* ssl);

}  // namespace gatehouse::tls::detail
