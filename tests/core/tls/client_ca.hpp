#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/tls/handles.hpp"
#include "core/tls/key.hpp"

namespace gatehouse::tls::test {

/// A certificate with its key, as a client has it.
struct Shown {
  X509Handle certificate;
  PrivateKey key;
  std::string pem() const;
};

/// What a client's certificate is made of.
struct Wish {
  std::string name = "alice";
  std::string usage = "clientAuth";
  std::chrono::seconds life = std::chrono::hours(24);
  bool authority = false;
  std::string san;  // "DNS:a.example,email:a@a.example", as OpenSSL's configuration has it
};

/// An authority for clients, all its own: certificates and revocation lists, made while the test
/// runs.
class ClientCa {
 public:
  explicit ClientCa(const std::string& name);
  /// An intermediate below `above`.
  ClientCa(const ClientCa& above, const std::string& name);

  Shown issue(const Wish& wish = {}) const;
  std::string pem() const { return self_.pem(); }
  X509* certificate() const { return self_.certificate.get(); }
  /// PEM of a list of these, which runs out after `life`.
  std::string crl(const std::vector<const X509*>& revoked,
                  std::chrono::seconds life = std::chrono::hours(24)) const;

 private:
  Shown make(const Wish& wish, const Shown* above) const;
  Shown self_;
};

}  // namespace gatehouse::tls::test
