#pragma once

#include "acme/outlet.hpp"
#include "proxy/serve/worker.hpp"

namespace gatehouse::serve {

/// Brings certificates and challenge answers to every worker; each call returns when all have them.
class WorkersOutlet final : public acme::Outlet {
 public:
  explicit WorkersOutlet(Workers& workers) : workers_(workers) {}

  awaitable<void> present_http(std::string token, std::string key_authorization) override;
  awaitable<void> present_tls(std::string server_name, tls::CertificateHandle certificate) override;
  awaitable<void> withdraw_http(std::string token) override;
  awaitable<void> withdraw_tls(std::string server_name) override;
  awaitable<void> publish(std::string host, tls::CertificateHandle certificates,
                          tls::CertificateIndex::Need need) override;
  awaitable<void> withdraw(std::string host) override;

 private:
  Workers& workers_;
};

}  // namespace gatehouse::serve
