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

inline TestPair make_pair_for(const std::vector<std::string>& names, Wall not_before,
                              Wall not_after, tls::KeyType type = tls::KeyType::p256) {
  static const tls::PrivateKey root_key = *tls::PrivateKey::generate(tls::KeyType::p256);
  const auto root = tls::CertificateAuthority::make_root(
      "Test Root", root_key, {Wall(), Wall(std::chrono::hours(24 * 365 * 100))});
  const auto key = *tls::PrivateKey::generate(type);
  return {*root->issue(names, key, {not_before, not_after}), key.to_pem()};
}

}  // namespace gatehouse::test
