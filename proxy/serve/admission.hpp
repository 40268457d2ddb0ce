#pragma once

#include <string>
#include <string_view>

#include "acme/challenge.hpp"
#include "core/http/message.hpp"
#include "core/tls/certificate_index.hpp"
#include "proxy/serve/request_facts.hpp"
#include "proxy/serve/snapshot.hpp"

namespace gatehouse::serve {

/// What a connection has settled before its first request, as far as requests are held against it.
struct Entrance {
  std::string_view listener;  // key of its Endpoint
  bool tls = false;
  std::string_view sni;                         // empty: none, or plain HTTP
  std::string_view policy_id;                   // of the handshake
  const tls::CertificateSet* served = nullptr;  // what the client was shown
};

/// Where a request goes after its head: decided from values alone.
struct Admission {
  enum class Kind {
    to_route,            // `site` and `route`
    challenge,           // answer with `key_authorization` (RFC 8555 §8.3)
    to_https,            // `site`: redirect
    wait_then_to_https,  // `site`: the same once its certificate is there
    refused,             // with `status`
  };
  Kind kind = Kind::refused;
  const Site* site = nullptr;
  const Route* route = nullptr;
  const std::string* key_authorization = nullptr;
  int status = 0;
  std::string_view reason;  // label of gatehouse_rejected_total
  bool last = false;        // no further request on this connection
};

/// `certificate_ready`: whether the host has a certificate (asked only for on-demand sites).
/// `room` holds a normalised path where one has to be made.
Admission admit(const Snapshot& snapshot, const Entrance& entrance,
                const acme::ChallengeBoard& challenges, const http::RequestHead& request,
                const RequestFacts& facts, tls::CertificateIndex& certificates, std::string& room);

/// RFC 9110 §7.4: whether a request for `host`, a host of `site`, may come over a connection that
/// was opened for another name. Hosts of the SNI's own site may; others when they share its TLS
/// policy and the certificate shown covers them. What is served under another policy must not be
/// had by naming it in Host alone.
bool may_share_connection(const Endpoint& endpoint, const Entrance& entrance, const Site& site,
                          std::string_view host);

}  // namespace gatehouse::serve
