#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/tls/tickets.hpp"

struct evp_cipher_ctx_st;
struct evp_mac_ctx_st;

namespace gatehouse::tls::detail {

/// The ticket keys of one policy, derived from the shared ring. Any thread; each remembers what it
/// derived, so that a handshake takes no lock.
class PolicyTickets {
 public:
  PolicyTickets(std::shared_ptr<TicketKeys> keys, std::string policy_id);

  // The two halves of OpenSSL's ticket callback, with its return values. `name` has 16 octets.
  int seal(unsigned char* name, unsigned char* iv, evp_cipher_ctx_st* cipher,
           evp_mac_ctx_st* mac) const;
  int open(const unsigned char* name, const unsigned char* iv, evp_cipher_ctx_st* cipher,
           evp_mac_ctx_st* mac) const;

 private:
  struct Key {
    std::string name;  // 16 octets, on the wire
    Secret cipher;     // AES-256
    Secret mac;        // HMAC-SHA-256
  };
  struct Derived {
    std::shared_ptr<const TicketKeys::Ring> from;
    std::vector<Key> keys;
  };
  std::shared_ptr<const Derived> derived() const;
  std::shared_ptr<const Derived> derive() const;

  std::shared_ptr<TicketKeys> keys_;
  std::string policy_id_;
  std::uint64_t number_;  // unlike that of any other in this process
};

}  // namespace gatehouse::tls::detail
