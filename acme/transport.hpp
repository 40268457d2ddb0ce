#pragma once

#include <memory>
#include <string>

#include "acme/ca_transport.hpp"
#include "core/http/client.hpp"

namespace gatehouse::acme {

/// The real way to a CA: HTTPS with the CA's certificate verified (RFC 8555 §6.1). One per CA,
/// because each may have roots of its own. Lives on the thread of `wheel`; everything handed in
/// outlives it.
class HttpsTransport final : public CaTransport {
 public:
  struct Settings {
    std::string roots_file;  // PEM; empty: the system's store
    std::string version;     // of the product, for User-Agent
  };
  static Result<std::unique_ptr<HttpsTransport>> make(const Settings& settings, Clock& clock,
                                                      net::Dialer& dialer,
                                                      net::DeadlineWheel& wheel,
                                                      net::BufferPool& buffers);

  awaitable<Result<CaReply>> send(CaRequest request, Steady deadline) override;

 private:
  HttpsTransport(std::string user_agent, Clock& clock, net::Dialer& dialer,
                 net::DeadlineWheel& wheel, net::BufferPool& buffers,
                 std::shared_ptr<const tls::ClientPolicy> policy);

  std::string user_agent_;
  Clock& clock_;
  http::HttpClient client_;
};

}  // namespace gatehouse::acme
