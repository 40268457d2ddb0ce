// What helpers do for a name that is new, beside files: the challenge's certificate, the request
// for one, and the proof of what the CA sent.

#include <benchmark/benchmark.h>

#include "core/tls/certificate_authority.hpp"
#include "core/tls/certificate_request.hpp"
#include "core/tls/digest.hpp"
#include "core/tls/self_handshake.hpp"

namespace gatehouse {
namespace {

const std::string name = "n1.shop.example";
const std::vector<std::string> names{name};

tls::PrivateKey key() { return tls::PrivateKey::generate(tls::KeyType::p256).value(); }

void make_challenge_certificate(benchmark::State& state) {
  const std::string digest = tls::sha256("token");
  const Wall now = std::chrono::system_clock::now();
  for (auto _ : state) benchmark::DoNotOptimize(tls::make_tls_alpn_certificate(name, digest, now));
}
BENCHMARK(make_challenge_certificate);

void make_request(benchmark::State& state) {
  const tls::PrivateKey own = key();
  for (auto _ : state) benchmark::DoNotOptimize(tls::make_certificate_request(names, own));
}
BENCHMARK(make_request);

void prove_certificate(benchmark::State& state) {
  const Wall now = std::chrono::system_clock::now();
  const tls::Validity validity{now, now + std::chrono::hours(1)};
  const auto root = tls::CertificateAuthority::make_root("Root", key(), validity).value();
  const auto above = root.make_intermediate("Intermediate", key(), validity).value();
  const tls::PrivateKey own = key();
  const std::string chain = above.issue(names, own, validity).value();
  const std::string pem = own.to_pem();
  for (auto _ : state) {
    const auto issued = tls::Certificate::parse(chain, pem).value();
    if (!tls::shake_hands_with_ourselves(*issued)) state.SkipWithError("not proven");
  }
}
BENCHMARK(prove_certificate);

}  // namespace
}  // namespace gatehouse
