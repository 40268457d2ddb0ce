#include "core/tls/detail/aead_key.hpp"

#include <algorithm>
#include <atomic>
#include <vector>

#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {
namespace {

using Way = AeadKey::Way;

/// OpenSSL's contexts for one suite on this thread.
class LoadedKeys {
 public:
  static LoadedKeys& of(Suite suite) {
    thread_local std::array<LoadedKeys, suite_count> all;
    return all[index_of(suite)];
  }

  bool has(std::uint64_t id, std::uint16_t place) const {
    return place < places_.size() && places_[place].id == id;
  }

  /// Where this key is to be loaded.
  std::uint16_t take(std::uint64_t id) {
    const std::uint16_t place = free_place();
    places_[place].id = id;
    return place;
  }

  /// Null key: the one that is loaded. Null: OpenSSL failed, and the place is free.
  EVP_CIPHER_CTX* ready(Suite suite, Way way, std::uint16_t place, const unsigned char* key,
                        const unsigned char* nonce) {
    CipherContext& context = places_[place].context;
    const EVP_CIPHER* cipher = nullptr;
    if (!context) {
      context.reset(EVP_CIPHER_CTX_new());
      cipher = cipher_of(suite);
    }
    if (context) {
      const int done = way == Way::seal
                           ? EVP_EncryptInit_ex2(context.get(), cipher, key, nonce, nullptr)
                           : EVP_DecryptInit_ex2(context.get(), cipher, key, nonce, nullptr);
      if (done == 1) return context.get();
    }
    unload(place);
    return nullptr;
  }

  /// Its context goes, and what is secret in it is wiped by OpenSSL.
  void unload(std::uint16_t place) {
    places_[place].context.reset();
    places_[place].id = 0;
    free_.push_back(place);
  }

 private:
  struct Place {
    CipherContext context;
    std::uint64_t id = 0;  // of the key it is loaded with; 0: of none
  };

  /// The longest loaded key makes room.
  std::uint16_t free_place() {
    if (!free_.empty()) {
      const std::uint16_t place = free_.back();
      free_.pop_back();
      return place;
    }
    if (places_.size() < most_loaded) {
      places_.reserve(most_loaded);
      free_.reserve(most_loaded);
      places_.emplace_back();
      return static_cast<std::uint16_t>(places_.size() - 1);
    }
    next_ = (next_ + 1) % places_.size();
    return static_cast<std::uint16_t>(next_);
  }

  std::vector<Place> places_;
  std::vector<std::uint16_t> free_;
  std::size_t next_ = 0;  // whose turn it is to make room
};

}  // namespace

AeadKey::~AeadKey() {
  unload();
  OPENSSL_cleanse(iv_.data(), iv_.size());
  OPENSSL_cleanse(key_.data(), key_.size());
}

std::span<unsigned char> AeadKey::key() { return std::span(key_).first(key_octets(suite_)); }

void AeadKey::unload() {
  LoadedKeys& all = LoadedKeys::of(suite_);
  if (id_ != 0 && all.has(id_, place_)) all.unload(place_);
}

void AeadKey::begin() {
  static std::atomic<std::uint64_t> ids{0};
  unload();
  id_ = ids.fetch_add(1, std::memory_order_relaxed) + 1;
}

void AeadKey::set(std::span<const unsigned char> key, std::span<const unsigned char> iv) {
  begin();
  std::copy(key.begin(), key.end(), key_.begin());
  std::copy(iv.begin(), iv.end(), iv_.begin());
}

void AeadKey::derive(std::span<const unsigned char> secret) {
  begin();
  expand_label(suite_, secret, "key", key());
  expand_label(suite_, secret, "iv", iv_);
}

evp_cipher_ctx_st* AeadKey::ready(Way way, std::uint64_t sequence) {
  auto nonce = iv_;
  for (std::size_t i = 0; i < sizeof sequence; ++i) {
    nonce[nonce.size() - 1 - i] ^= static_cast<unsigned char>(sequence >> (8 * i));
  }
  LoadedKeys& all = LoadedKeys::of(suite_);
  const bool loaded = all.has(id_, place_);
  if (!loaded) place_ = all.take(id_);
  return all.ready(suite_, way, place_, loaded ? nullptr : key_.data(), nonce.data());
}

}  // namespace gatehouse::tls::detail
