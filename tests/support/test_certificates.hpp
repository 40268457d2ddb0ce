#pragma once

#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/tls/certificate_authority.hpp"

namespace gatehouse::test {

/// A certificate as a CA hands it out, and its key, made while the test runs.
struct TestPair {
  std::string chain_pem;
  std::string key_pem;
};

/// The root of them all.
inline const tls::CertificateAuthority& test_root() {
  static const tls::CertificateAuthority root =
      tls::CertificateAuthority::make_root("Test Root",
                                           *tls::PrivateKey::generate(tls::KeyType::p256),
                                           {Wall(), Wall(std::chrono::hours(24 * 365 * 100))})
          .value();
  return root;
}

inline TestPair make_pair_for(const std::vector<std::string>& names, Wall not_before,
                              Wall not_after, tls::KeyType type = tls::KeyType::p256) {
  const auto key = *tls::PrivateKey::generate(type);
  return {*test_root().issue(names, key, {not_before, not_after}), key.to_pem()};
}

}  // namespace gatehouse::test
