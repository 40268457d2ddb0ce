#include "core/tls/detail/policy_tickets.hpp"

#include <openssl/core_names.h>
#include <openssl/rand.h>

#include <algorithm>
#include <atomic>

#include "core/tls/digest.hpp"
#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {
namespace {

constexpr std::size_t name_octets = 16;
constexpr int iv_octets = 16;

/// Looked up once. Never freed: at exit OpenSSL's own clean-up, or a thread that still serves, may
/// come first.
const EVP_CIPHER* sealing_cipher() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  return cipher;
}

bool set_mac(EVP_MAC_CTX* mac, std::string_view key) {
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<char*>(key.data()),
                                        key.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end(),
  };
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

}  // namespace

PolicyTickets::PolicyTickets(std::shared_ptr<TicketKeys> keys, std::string policy_id)
    : keys_(std::move(keys)), policy_id_(std::move(policy_id)) {
  static std::atomic<std::uint64_t> numbers{0};
  number_ = numbers.fetch_add(1, std::memory_order_relaxed);
}

std::shared_ptr<const PolicyTickets::Derived> PolicyTickets::derived() const {
  // A process has few policies; those of before a reload make room by and by.
  struct Remembered {
    std::uint64_t number;
    std::shared_ptr<const Derived> keys;
  };
  constexpr std::size_t most_remembered = 32;
  thread_local std::vector<Remembered> remembered;
  const auto known = std::find_if(remembered.begin(), remembered.end(),
                                  [&](const Remembered& each) { return each.number == number_; });
  if (known == remembered.end()) {
    if (remembered.size() == most_remembered) remembered.erase(remembered.begin());
    return remembered.emplace_back(Remembered{number_, derive()}).keys;
  }
  if (known->keys->from->generation != keys_->generation()) known->keys = derive();
  return known->keys;
}

std::shared_ptr<const PolicyTickets::Derived> PolicyTickets::derive() const {
  auto made = std::make_shared<Derived>();
  made->from = keys_->ring();
  for (const TicketKeys::Key& key : made->from->keys) {
    Key derived;
    derived.name =
        hmac_sha256(key.secret.view(), "ticket name " + policy_id_).substr(0, name_octets);
    derived.cipher = Secret(hmac_sha256(key.secret.view(), "ticket cipher " + policy_id_));
    derived.mac = Secret(hmac_sha256(key.secret.view(), "ticket mac " + policy_id_));
    made->keys.push_back(std::move(derived));
  }
  return made;
}

int PolicyTickets::seal(unsigned char* name, unsigned char* iv, evp_cipher_ctx_st* cipher,
                        evp_mac_ctx_st* mac) const {
  const auto held = derived();
  const Key& key = held->keys[held->from->current];
  if (RAND_bytes(iv, iv_octets) != 1) return -1;
  std::copy_n(octets(key.name), name_octets, name);
  const bool ready =
      EVP_EncryptInit_ex2(cipher, sealing_cipher(), octets(key.cipher.view()), iv, nullptr) == 1 &&
      set_mac(mac, key.mac.view());
  return ready ? 1 : -1;
}

int PolicyTickets::open(const unsigned char* name, const unsigned char* iv,
                        evp_cipher_ctx_st* cipher, evp_mac_ctx_st* mac) const {
  const auto held = derived();
  for (std::size_t i = 0; i < held->keys.size(); ++i) {
    const Key& key = held->keys[i];
    if (text(name, name_octets) != key.name) continue;
    const bool ready = EVP_DecryptInit_ex2(cipher, sealing_cipher(), octets(key.cipher.view()), iv,
                                           nullptr) == 1 &&
                       set_mac(mac, key.mac.view());
    if (!ready) return -1;
    return i == held->from->current ? 1 : 2;  // 2: good, and a new ticket is due
  }
  return 0;  // unknown: a full handshake
}

}  // namespace gatehouse::tls::detail
