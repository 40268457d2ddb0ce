#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/tls/certificate.hpp"

namespace gatehouse::tls {

struct Validity {
  Wall not_before;
  Wall not_after;
};

/// A certification authority of our own: a root, or an intermediate below one. Immutable.
class CertificateAuthority {
 public:
  CertificateAuthority() = default;  // empty
  /// A self-signed root.
  static Result<CertificateAuthority> make_root(std::string_view common_name, PrivateKey key,
                                                Validity validity);
  /// From storage: the certificate (and its issuers but the root), and its key.
  static Result<CertificateAuthority> load(std::string_view chain_pem, std::string_view key_pem);

  /// An intermediate that signs leaves and nothing else.
  Result<CertificateAuthority> make_intermediate(std::string_view common_name, PrivateKey key,
                                                 Validity validity) const;
  /// A server certificate for `names` (normal_host() form, wildcards allowed): PEM of the leaf and
  /// the issuers up to, but without, the root. Cut to the authority's own validity.
  Result<std::string> issue(const std::vector<std::string>& names, const PrivateKey& key,
                            Validity validity) const;

  explicit operator bool() const { return certificate_ != nullptr; }
  const Certificate& certificate() const { return *certificate_; }
  std::string certificate_pem() const { return certificate_->chain_pem(); }
  std::string key_pem() const { return certificate_->key().to_pem(); }

 private:
  explicit CertificateAuthority(CertificatePointer certificate)
      : certificate_(std::move(certificate)) {}
  CertificatePointer certificate_;
};

/// The certificate that answers a tls-alpn-01 probe (RFC 8737 §3, RFC 8738 §6): self-signed, for
/// `identifier` (a name or an IP address in normal_host() form) alone, with the SHA-256 of the key
/// authorization (32 octets) in a critical acmeIdentifier extension.
Result<CertificatePointer> make_tls_alpn_certificate(std::string_view identifier,
                                                     std::string_view digest, Wall now);

}  // namespace gatehouse::tls
