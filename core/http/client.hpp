#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/url.hpp"
#include "core/http/h1_client.hpp"
#include "core/net/dialer.hpp"
#include "core/tls/tls_stream.hpp"

namespace gatehouse::http {

using FieldPairs = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";
  Url url;
  FieldPairs fields;  // Host and framing are added
  std::string body;
};

struct HttpResponse {
  int status = 0;
  FieldPairs fields;
  std::string body;

  /// The first value of that name, ignoring case.
  std::optional<std::string_view> find(std::string_view name) const;
};

struct FetchLimits {
  std::size_t body_bytes = 1024 * 1024;
  std::chrono::milliseconds connect{10'000};  // dial and TLS handshake
  std::chrono::milliseconds header{30'000};   // request sent to final head
  std::chrono::milliseconds total{60'000};
};

/// Asks CAs and ask endpoints: one request, one whole answer, no redirects. Keeps a few idle
/// connections. Belongs to one thread, that of `wheel`; everything handed in outlives it, and it
/// outlives its fetches. Errors are blamed on `side`.
class HttpClient {
 public:
  HttpClient(Clock& clock, net::Dialer& dialer, net::DeadlineWheel& wheel, net::BufferPool& buffers,
             std::shared_ptr<const tls::ClientPolicy> policy, Side side);

  /// An idle connection that turns out to be dead costs one more try on a fresh one, where the
  /// method is idempotent (RFC 9110 §9.2.2). Answers over `body_bytes` are Fault::limit.
  awaitable<Result<HttpResponse>> fetch(HttpRequest request, FetchLimits limits = {});
  std::size_t idle() const { return idle_.size(); }

 private:
  using Connection = std::unique_ptr<H1ClientConnection>;
  struct Idle {
    std::string origin;
    Connection connection;
    Steady since;
  };

  Connection take_idle(const std::string& origin);
  void keep(std::string origin, Connection connection);
  awaitable<Result<Connection>> connect(const Url& url, Steady until);
  awaitable<Result<HttpResponse>> exchange(H1ClientConnection& connection,
                                           const HttpRequest& request, const FetchLimits& limits,
                                           Steady until);

  Clock& clock_;
  net::Dialer& dialer_;
  net::DeadlineWheel& wheel_;
  net::BufferPool& buffers_;
  std::shared_ptr<const tls::ClientPolicy> policy_;
  Side side_;
  std::vector<Idle> idle_;
};

}  // namespace gatehouse::http
