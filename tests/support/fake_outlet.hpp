#pragma once

#include <map>
#include <string>

#include "acme/outlet.hpp"

namespace gatehouse::test {

/// What all workers together would answer. Calls finish at once.
class FakeOutlet final : public acme::Outlet {
 public:
  awaitable<void> present_http(std::string token, std::string key_authorization) override {
    http[token] = std::move(key_authorization);
    ++presented;
    co_return;
  }
  awaitable<void> present_tls(std::string server_name,
                              tls::CertificateHandle certificate) override {
    tls[server_name] = std::move(certificate);
    ++presented;
    co_return;
  }
  awaitable<void> withdraw_http(std::string token) override {
    http.erase(token);
    co_return;
  }
  awaitable<void> withdraw_tls(std::string server_name) override {
    tls.erase(server_name);
    co_return;
  }
  awaitable<void> publish(std::string host, tls::CertificateHandle certificates,
                          tls::CertificateIndex::Need) override {
    published[host] = std::move(certificates);
    co_return;
  }
  awaitable<void> withdraw(std::string host) override {
    published.erase(host);
    co_return;
  }

  std::map<std::string, std::string> http;
  std::map<std::string, tls::CertificateHandle> tls;
  std::map<std::string, tls::CertificateHandle> published;
  int presented = 0;
};

}  // namespace gatehouse::test
