#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "core/http/h1_server.hpp"
#include "core/tls/certificate_authority.hpp"
#include "core/tls/tls_stream.hpp"

namespace gatehouse::test {

/// A certificate a TlsServer shows, signed by test_root(). Valid now, by the real clock, which is
/// the one that OpenSSL looks at.
tls::CertificateHandle server_certificate(const std::vector<std::string>& names);
/// The same, but its time was over yesterday.
tls::CertificateHandle expired_certificate(const std::vector<std::string>& names);

/// An HTTPS server on the test's own thread, with a real handshake and session tickets: it answers
/// every request with 200 and "over TLS", and remembers what it was asked.
class TlsServer final : public tls::HelloJudge {
 public:
  /// `idle`: how long it keeps a connection that asks nothing.
  explicit TlsServer(tls::CertificateHandle certificates,
                     std::chrono::milliseconds idle = std::chrono::hours(1));

  /// One connection from its handshake to its end. Spawn it for each.
  static awaitable<void> serve(std::shared_ptr<TlsServer> server,
                               std::unique_ptr<net::Stream> stream, http::H1Worker lent);
  tls::HelloAnswer judge(const tls::Hello& hello) noexcept override;

  std::vector<std::string> names;  // SNI of each ClientHello; empty: none
  std::size_t handshakes = 0;      // that were finished
  std::size_t requests = 0;

 private:
  std::shared_ptr<const tls::ServerPolicy> policy_;
  tls::CertificateHandle certificates_;
  std::chrono::milliseconds idle_;
};

}  // namespace gatehouse::test
