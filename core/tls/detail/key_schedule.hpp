#pragma once

#include <memory>

#include "core/tls/detail/hkdf.hpp"

namespace gatehouse::tls::detail {

class TrafficSecrets;

/// The property query that contexts of TLS are to be made with. It prefers our own form of TLS
/// 1.3's key schedule ("TLS13-KDF"), given to OpenSSL as a built-in provider: the default one
/// looks up, allocates and wipes a good deal for each of the two dozen keys of a handshake. Where a
/// machine demands other properties (FIPS), or the provider cannot be had, OpenSSL uses its own.
const char* provider_query();

/// While this lives, `secrets` hears what our key schedule derives on this thread: nothing else may
/// shake hands there meanwhile. `secrets` may come to be in that time, and outlives this.
class Hearing {
 public:
  explicit Hearing(const std::unique_ptr<TrafficSecrets>& secrets);
  Hearing(const Hearing&) = delete;
  Hearing& operator=(const Hearing&) = delete;
  ~Hearing();

 private:
  RememberedSecrets remembered_;
};

}  // namespace gatehouse::tls::detail
