#pragma once

#include "acme/certificate_source.hpp"

namespace gatehouse::control {

/// Workers want a source of certificates when they are made, the keeper wants workers to publish
/// to. This stands in between: set once, before the first worker's thread begins.
class LateCertificates final : public acme::CertificateSource {
 public:
  void set(acme::CertificateSource& source) { source_ = &source; }
  awaitable<Result<tls::CertificateHandle>> obtain(std::string host,
                                                   asio::ip::address client) override {
    return source_->obtain(std::move(host), client);
  }

 private:
  acme::CertificateSource* source_ = nullptr;
};

}  // namespace gatehouse::control
