#pragma once

#include <string>

namespace gatehouse::tls {

/// What a client's certificate says of it, as text. Only of certificates that were verified.
/// Everything is visible ASCII and spaces: other octets are escaped, so that it can stand in a
/// header field or a line of a log.
struct ClientCertificate {
  std::string subject;      // RFC 2253: "CN=alice,O=Example"
  std::string issuer;       // the same
  std::string serial;       // lower-case hex
  std::string fingerprint;  // SHA-256 of its DER, lower-case hex
  std::string san;          // "DNS:a.example,EMAIL:a@a.example,URI:spiffe://x/y,IP:192.0.2.1"
};

}  // namespace gatehouse::tls
