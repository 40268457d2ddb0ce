#include "core/tls/detail/client_hello.hpp"

#include <algorithm>

#include "core/tls/detail/server_name.hpp"
#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {
namespace {

// Extension numbers (IANA).
constexpr unsigned groups_extension = 10;
constexpr unsigned signatures_extension = 13;
constexpr unsigned alpn_extension = 16;
constexpr unsigned versions_extension = 43;

constexpr std::string_view acme_tls_list(
    "\x0a"
    "acme-tls/1",
    11);

std::string_view extension(SSL* ssl, unsigned kind, bool* present = nullptr) {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  const bool found = SSL_client_hello_get0_ext(ssl, kind, &data, &size) == 1;
  if (present != nullptr) *present = found;
  return found ? text(data, size) : std::string_view();
}

std::vector<std::uint16_t> numbers(std::string_view list) {
  std::vector<std::uint16_t> out;
  for (; list.size() >= 2; list.remove_prefix(2)) {
    out.push_back(static_cast<std::uint16_t>(number16(list)));
  }
  return out;
}

void read_server_name(SSL* ssl, ClientOffer& offer) {
  bool present = false;
  const std::string_view body = extension(ssl, server_name_extension, &present);
  if (!present) return;
  offer.server_name = server_name_in(body);
  offer.bad_server_name = offer.server_name.empty();
}

bool any_of(const std::vector<std::uint16_t>& offered, const std::vector<std::uint16_t>& wanted) {
  return std::find_first_of(offered.begin(), offered.end(), wanted.begin(), wanted.end()) !=
         offered.end();
}

bool offers_group(const ClientOffer& offer, std::uint16_t group) {
  return offer.groups.empty() || any_of(offer.groups, {group});
}

/// TLS 1.3 binds the curve to the signature scheme (RFC 8446 §4.2.3).
std::vector<std::uint16_t> schemes_13(KeyType key) {
  switch (key) {
    case KeyType::p256:
      return {0x0403};
    case KeyType::p384:
      return {0x0503};
    case KeyType::p521:
      return {0x0603};
    case KeyType::ed25519:
      return {0x0807};
    case KeyType::rsa2048:
    case KeyType::rsa3072:
    case KeyType::rsa4096:
    case KeyType::rsa_other:
      return {0x0804, 0x0805, 0x0806};  // PSS
  }
  return {};
}

bool accepts_12(const ClientOffer& offer, KeyType key, const OpenPolicy& policy) {
  if (policy.min_protocol() > TLS1_2_VERSION) return false;
  const auto& suites = is_rsa(key) ? policy.rsa_suites() : policy.ecdsa_suites();
  if (!any_of(offer.suites, suites)) return false;
  if (key == KeyType::p256 && !offers_group(offer, 23)) return false;
  if (key == KeyType::p384 && !offers_group(offer, 24)) return false;
  if (key == KeyType::p521 && !offers_group(offer, 25)) return false;
  if (offer.signatures.empty()) return true;
  if (is_rsa(key))
    return any_of(offer.signatures, {0x0401, 0x0501, 0x0601, 0x0804, 0x0805, 0x0806});
  if (key == KeyType::ed25519) return any_of(offer.signatures, {0x0807});
  return any_of(offer.signatures, {0x0403, 0x0503, 0x0603});
}

}  // namespace

ClientOffer read_offer(ssl_st* ssl) {
  ClientOffer offer;
  read_server_name(ssl, offer);
  offer.acme_tls_alone = counted(extension(ssl, alpn_extension)) == acme_tls_list;
  offer.signatures = numbers(counted(extension(ssl, signatures_extension)));
  offer.groups = numbers(counted(extension(ssl, groups_extension)));
  const unsigned char* suites = nullptr;
  const std::size_t size = SSL_client_hello_get0_ciphers(ssl, &suites);
  offer.suites = numbers(text(suites, size));
  const std::string_view versions = extension(ssl, versions_extension);
  if (!versions.empty()) offer.tls13 = any_of(numbers(versions.substr(1)), {0x0304});
  return offer;
}

bool accepts(const ClientOffer& offer, KeyType key, const OpenPolicy& policy) {
  // TLS 1.3 is what gets spoken whenever the client can: all policies allow it.
  return offer.tls13 ? any_of(offer.signatures, schemes_13(key)) : accepts_12(offer, key, policy);
}

}  // namespace gatehouse::tls::detail
