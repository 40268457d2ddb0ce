#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/tls/detail/policy.hpp"
#include "core/tls/key.hpp"

namespace gatehouse::tls::detail {

/// What a ClientHello offers, taken apart. A list that was not sent is empty.
struct ClientOffer {
  std::string server_name;  // normal form
  bool bad_server_name = false;
  bool acme_tls_alone = false;
  bool tls13 = false;
  std::vector<std::uint16_t> signatures;
  std::vector<std::uint16_t> groups;
  std::vector<std::uint16_t> suites;
};

/// Only inside the ClientHello callback.
ClientOffer read_offer(ssl_st* ssl);

/// Whether a client could use a certificate with such a key under `policy`.
bool accepts(const ClientOffer& offer, KeyType key, const OpenPolicy& policy);

}  // namespace gatehouse::tls::detail
