#pragma once

#include <memory>

#include "core/http/client.hpp"
#include "proxy/serve/handlers/visit.hpp"

namespace gatehouse::serve {

/// A worker's way to the servers of `forward_auth`, with the connections that are kept open to
/// them. Made when it is first needed, made anew when the roots are read again.
class AuthClient {
 public:
  AuthClient(Worker& worker, std::shared_ptr<const tls::ClientPolicy> policy);
  /// The worker's, for the config that the request came under. A request keeps it to its end.
  static std::shared_ptr<AuthClient> of(Worker& worker, const Snapshot& snapshot);

  http::HttpClient& http() { return http_; }

 private:
  std::shared_ptr<const tls::ClientPolicy> policy_;
  http::HttpClient http_;
};

/// A route's `forward_auth`: asks a server whether the request may go on. 2xx lets it through with
/// the fields named in `copy`, as that server set them and never as the client did; anything else
/// is the answer. A server that cannot be asked lets nobody through. True: answered.
awaitable<bool> answer_forward_auth(Visit& visit);

/// What the server is asked: the client's fields without those about a body, a connection or a
/// cached copy and without forged ones of `copy`, and what the request was in X-Forwarded-*.
http::HttpRequest auth_request(const config::ForwardAuth& auth, const http::RequestHead& request,
                               const RequestFacts& facts);

}  // namespace gatehouse::serve
