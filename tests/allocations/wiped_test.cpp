// What must not be read out of freed memory later: keys that have had their time.

#include <doctest/doctest.h>
#include <openssl/evp.h>

#include <string>

#include "core/tls/detail/policy_tickets.hpp"
#include "core/tls/digest.hpp"
#include "core/tls/handles.hpp"
#include "core/tls/tickets.hpp"
#include "tests/allocations/counted.hpp"
#include "tests/support/fake_clock.hpp"

namespace wiped_test {

using namespace gatehouse;
using test::FakeClock;
using test::Watched;
using tls::TicketKeys;

namespace {

/// Tickets of a policy before and after each of so many rotations.
void live(TicketKeys& keys, FakeClock& clock, int rotations) {
  const auto shared = std::shared_ptr<TicketKeys>(&keys, [](TicketKeys*) {});
  const tls::detail::PolicyTickets tickets(shared, "policy");
  for (int turn = 0; turn <= rotations; ++turn) {
    const tls::CipherContext cipher(EVP_CIPHER_CTX_new());
    EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    EVP_MAC_CTX* const mac = EVP_MAC_CTX_new(hmac);
    unsigned char name[16];
    unsigned char iv[16];
    CHECK(tickets.seal(name, iv, cipher.get(), mac) == 1);
    CHECK(tickets.open(name, iv, cipher.get(), mac) == 1);
    EVP_MAC_CTX_free(mac);
    EVP_MAC_free(hmac);
    clock.advance(TicketKeys::rotation);
    keys.rotate(clock.wall());
  }
}

}  // namespace

TEST_CASE("the search finds what is not wiped") {
  const std::string secret(32, 's');
  const Watched watched(secret);
  { const std::string copy = secret; }
  CHECK(watched.times() == 1);
  { const tls::Secret copy(secret); }
  CHECK(watched.times() == 1);
}

TEST_CASE("ticket keys that have had their time are in no freed memory") {
  SystemEntropy entropy;
  FakeClock clock;
  TicketKeys keys(entropy, clock.wall());
  const std::string first(keys.ring()->keys[0].secret.view());
  std::string sought;
  SUBCASE("themselves") { sought = first; }
  SUBCASE("what a policy's tickets are sealed with") {
    sought = tls::hmac_sha256(first, "ticket cipher policy");
  }
  SUBCASE("what their MAC is made with") { sought = tls::hmac_sha256(first, "ticket mac policy"); }
  const Watched watched(sought);
  live(keys, clock, 5);
  for (const auto& key : keys.ring()->keys) CHECK(key.secret.view() != first);
  CHECK(watched.times() == 0);
}

}  // namespace wiped_test
