#include "core/tls/detail/record_key.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <new>

#include "core/tls/detail/hkdf.hpp"
#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {
namespace {

constexpr std::size_t suite_count = 3;
constexpr auto last_sequence = std::numeric_limits<std::uint64_t>::max();

struct Traits {
  const char* cipher;
  Hash hash;
  std::size_t key_octets;
};
constexpr std::array<Traits, suite_count> traits{{{"AES-128-GCM", Hash::sha256, 16},
                                                  {"AES-256-GCM", Hash::sha384, 32},
                                                  {"ChaCha20-Poly1305", Hash::sha256, 32}}};

std::size_t index(Suite suite) {
  return static_cast<std::size_t>(suite) - static_cast<std::size_t>(Suite::aes_128_gcm_sha256);
}
const Traits& traits_of(Suite suite) { return traits[index(suite)]; }

// Looking an algorithm up costs more than using it. Never freed: at exit OpenSSL's own clean-up, or
// a thread that still serves, may come first.

const EVP_CIPHER* cipher_of(Suite suite) {
  static const auto ciphers = [] {
    std::array<EVP_CIPHER*, suite_count> out{};
    for (std::size_t i = 0; i < suite_count; ++i) {
      out[i] = EVP_CIPHER_fetch(nullptr, traits[i].cipher, nullptr);
    }
    return out;
  }();
  return ciphers[index(suite)];
}

/// The AEAD of one suite and direction on this thread.
struct Loaded {
  CipherContext context;
  std::uint64_t id = 0;  // of the key it is loaded with; 0: of none
};
enum class Way : std::uint8_t { seal, open };

Loaded& loaded(Suite suite, Way way) {
  thread_local std::array<std::array<Loaded, 2>, suite_count> all;
  return all[index(suite)][static_cast<std::size_t>(way)];
}

/// Makes the thread's AEAD ready for one record. Loading a key costs a tenth of a microsecond or
/// two, and is left out for the second record in a row.
EVP_CIPHER_CTX* ready(Suite suite, Way way, std::uint64_t id, const unsigned char* key,
                      const unsigned char* nonce) {
  Loaded& here = loaded(suite, way);
  const EVP_CIPHER* cipher = nullptr;
  if (!here.context) {
    here.context.reset(EVP_CIPHER_CTX_new());
    if (!here.context) return nullptr;
    cipher = cipher_of(suite);
  }
  const auto* fresh = here.id == id ? nullptr : key;
  here.id = 0;
  const int done = way == Way::seal
                       ? EVP_EncryptInit_ex2(here.context.get(), cipher, fresh, nonce, nullptr)
                       : EVP_DecryptInit_ex2(here.context.get(), cipher, fresh, nonce, nullptr);
  if (done != 1) {
    here.context.reset();
    return nullptr;
  }
  here.id = id;
  return here.context.get();
}

/// Takes a key that goes out of the thread's AEADs.
void unload(Suite suite, std::uint64_t id) {
  for (const Way way : {Way::seal, Way::open}) {
    Loaded& here = loaded(suite, way);
    if (here.id != id) continue;
    constexpr std::array<unsigned char, 32> none{};
    if (ready(suite, way, 0, none.data(), none.data()) != nullptr) continue;
    ERR_clear_error();
  }
}

}  // namespace

std::optional<Suite> suite_of(std::uint16_t number) {
  const auto suite = static_cast<Suite>(number);
  switch (suite) {
    case Suite::aes_128_gcm_sha256:
    case Suite::aes_256_gcm_sha384:
    case Suite::chacha20_poly1305_sha256:
      return cipher_of(suite) != nullptr ? std::optional(suite) : std::nullopt;
  }
  return std::nullopt;
}

std::size_t secret_octets(Suite suite) { return octets_of(traits_of(suite).hash); }

void expand_label(Suite suite, std::span<const unsigned char> secret, std::string_view label,
                  std::span<unsigned char> out) {
  HkdfLabel what;
  what.label = label;
  if (!expand_label(traits_of(suite).hash, secret, what, out)) throw std::bad_alloc();
}

RecordKey::RecordKey(Suite suite, const TrafficKey& from, std::uint64_t sequence)
    : sequence_(sequence), suite_(suite) {
  std::copy(from.secret.begin(), from.secret.end(), secret_.begin());
  if (from.key.size() != traits_of(suite).key_octets || from.iv.size() != iv_.size()) {
    derive();
    return;
  }
  std::copy(from.key.begin(), from.key.end(), key_.begin());
  std::copy(from.iv.begin(), from.iv.end(), iv_.begin());
  take_number();
}

RecordKey::~RecordKey() {
  unload(suite_, id_);
  OPENSSL_cleanse(iv_.data(), iv_.size());
  OPENSSL_cleanse(key_.data(), key_.size());
  OPENSSL_cleanse(secret_.data(), secret_.size());
}

void RecordKey::derive() {
  const auto secret = std::span(secret_).first(secret_octets(suite_));
  expand_label(suite_, secret, "key", std::span(key_).first(traits_of(suite_).key_octets));
  expand_label(suite_, secret, "iv", iv_);
  take_number();
}

void RecordKey::take_number() {
  static std::atomic<std::uint64_t> ids{0};
  id_ = ids.fetch_add(1, std::memory_order_relaxed) + 1;
}

void RecordKey::update() {
  const auto secret = std::span(secret_).first(secret_octets(suite_));
  unload(suite_, id_);
  expand_label(suite_, secret, "traffic upd", secret);
  derive();
  sequence_ = 0;
}

std::array<unsigned char, 12> RecordKey::nonce() const {
  auto out = iv_;
  for (std::size_t i = 0; i < sizeof sequence_; ++i) {
    out[out.size() - 1 - i] ^= static_cast<unsigned char>(sequence_ >> (8 * i));
  }
  return out;
}

bool RecordKey::seal(ContentType type, std::string_view content, char* out) {
  if (sequence_ == last_sequence) return false;
  auto* const record = reinterpret_cast<unsigned char*>(out);
  const std::size_t inside = content.size() + 1;
  const std::size_t length = inside + tag_octets;
  record[0] = static_cast<unsigned char>(ContentType::application_data);
  record[1] = 3;
  record[2] = 3;
  record[3] = static_cast<unsigned char>(length >> 8);
  record[4] = static_cast<unsigned char>(length);
  unsigned char* const body = record + header_octets;
  const auto kind = static_cast<unsigned char>(type);
  EVP_CIPHER_CTX* const aead = ready(suite_, Way::seal, id_, key_.data(), nonce().data());
  int moved = 0;
  if (aead == nullptr ||
      EVP_EncryptUpdate(aead, nullptr, &moved, record, static_cast<int>(header_octets)) != 1 ||
      EVP_EncryptUpdate(aead, body, &moved, octets(content), int_size(content)) != 1 ||
      EVP_EncryptUpdate(aead, body + content.size(), &moved, &kind, 1) != 1 ||
      EVP_EncryptFinal_ex(aead, body + inside, &moved) != 1 ||
      EVP_CIPHER_CTX_ctrl(aead, EVP_CTRL_AEAD_GET_TAG, tag_octets, body + inside) != 1) {
    return false;
  }
  ++sequence_;
  return true;
}

bool RecordKey::open(std::span<const char> record, char* out, unsigned char& last) {
  if (sequence_ == last_sequence) return false;
  const auto* const header = reinterpret_cast<const unsigned char*>(record.data());
  const unsigned char* const body = header + header_octets;
  const std::size_t inside = record.size() - header_octets - tag_octets;
  const std::size_t most = inside == 0 ? 0 : inside - 1;
  auto* const plain = reinterpret_cast<unsigned char*>(out);
  // OpenSSL takes it for something to write to.
  std::array<unsigned char, tag_octets> tag;
  std::copy_n(body + inside, tag.size(), tag.begin());
  last = 0;
  EVP_CIPHER_CTX* const aead = ready(suite_, Way::open, id_, key_.data(), nonce().data());
  int moved = 0;
  unsigned char none[tag_octets];
  const bool good =
      aead != nullptr &&
      EVP_CIPHER_CTX_ctrl(aead, EVP_CTRL_AEAD_SET_TAG, tag_octets, tag.data()) == 1 &&
      EVP_DecryptUpdate(aead, nullptr, &moved, header, static_cast<int>(header_octets)) == 1 &&
      (most == 0 || EVP_DecryptUpdate(aead, plain, &moved, body, static_cast<int>(most)) == 1) &&
      (inside == 0 || EVP_DecryptUpdate(aead, &last, &moved, body + most, 1) == 1) &&
      EVP_DecryptFinal_ex(aead, none, &moved) == 1;
  if (!good) {
    ERR_clear_error();
    return false;
  }
  ++sequence_;
  return true;
}

}  // namespace gatehouse::tls::detail
