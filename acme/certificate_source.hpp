#pragma once

#include <boost/asio/ip/address.hpp>
#include <string>

#include "core/base/asio.hpp"
#include "core/base/error.hpp"
#include "core/tls/certificate_index.hpp"

namespace gatehouse::acme {

/// Brings a certificate that a worker does not have: from storage, from the internal CA, or by an
/// on-demand order. Implemented by the keeper; called from any worker, which is resumed where it
/// was. Many calls for one name share one order.
class CertificateSource {
 public:
  virtual ~CertificateSource() = default;
  /// `host` in normal form. Waits up to the site's `wait`. Errors: Fault::denied (policy, cached
  /// denial), limit (max_waiting, rates), timeout, not_found (no site takes certificates for it),
  /// or what the CA said (Side::ca). On success every worker has the certificate.
  virtual awaitable<Result<tls::CertificateHandle>> obtain(std::string host,
                                                           asio::ip::address client) = 0;
};

}  // namespace gatehouse::acme
