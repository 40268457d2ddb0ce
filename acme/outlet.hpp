#pragma once

#include <string>

#include "acme/challenge.hpp"
#include "core/base/asio.hpp"
#include "core/tls/certificate_index.hpp"

namespace gatehouse::acme {

/// Where the life of a certificate meets the road: what is handed in is on every worker when the
/// call returns, and no CA is told before. Implemented by proxy/serve over its workers, by a fake
/// in tests. Called on the control thread.
class Outlet {
 public:
  virtual ~Outlet() = default;
  virtual awaitable<void> present_http(std::string token, std::string key_authorization) = 0;
  virtual awaitable<void> present_tls(std::string server_name,
                                      tls::CertificateHandle certificate) = 0;
  virtual awaitable<void> withdraw_http(std::string token) = 0;
  virtual awaitable<void> withdraw_tls(std::string server_name) = 0;
  /// Replaces the name's certificates everywhere; connections that are open keep what they have.
  /// Workers are free to let go of them, and then ask for them again.
  virtual awaitable<void> publish(std::string host, tls::CertificateHandle certificates,
                                  tls::CertificateIndex::Need need) = 0;
  virtual awaitable<void> withdraw(std::string host) = 0;
};

}  // namespace gatehouse::acme
