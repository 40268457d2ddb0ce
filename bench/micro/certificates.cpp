// The certificate of a name among a million, and what a request to a CA is signed with.

#include <benchmark/benchmark.h>

#include <memory>
#include <random>

#include "acme/jws.hpp"
#include "core/tls/certificate_index.hpp"
#include "core/tls/key.hpp"

namespace gatehouse {
namespace {

constexpr std::size_t names = 1'000'000;

std::string name_of(std::size_t number) { return "n" + std::to_string(number) + ".shop.example"; }

void find_certificate(benchmark::State& state, bool wildcards) {
  tls::CertificateIndex index(names);
  const auto certificates = std::make_shared<const tls::CertificateSet>();
  for (std::size_t i = 0; i < names; ++i) {
    index.put((wildcards ? "*." : "") + name_of(i), certificates, tls::CertificateIndex::Need::now);
  }
  std::mt19937_64 random(1);
  std::vector<std::string> asked;
  for (int i = 0; i < 4096; ++i) {
    asked.push_back((wildcards ? "www." : "") + name_of(random() % names));
  }
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(index.find(asked[next]));
    next = (next + 1) % asked.size();
  }
}
BENCHMARK_CAPTURE(find_certificate, exact, false);
BENCHMARK_CAPTURE(find_certificate, wildcard, true);

void sign_request(benchmark::State& state, tls::KeyType type) {
  const auto key = tls::PrivateKey::generate(type).value();
  acme::JwsHeader header;
  header.url = "https://ca.example/acme/new-order";
  header.nonce = "0123456789abcdef0123456789abcdef";
  header.account_url = "https://ca.example/acme/account/1";
  const std::string payload = R"({"identifiers":[{"type":"dns","value":"www.shop.example"}]})";
  for (auto _ : state) benchmark::DoNotOptimize(acme::sign_jws(key, header, payload));
}
BENCHMARK_CAPTURE(sign_request, p256, tls::KeyType::p256);
BENCHMARK_CAPTURE(sign_request, rsa2048, tls::KeyType::rsa2048);

}  // namespace
}  // namespace gatehouse
