#include "core/tls/detail/key_schedule.hpp"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <array>
#include <optional>
#include <string_view>

#include "core/tls/detail/hkdf.hpp"
#include "core/tls/detail/traffic_secrets.hpp"
#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {
namespace {

constexpr const char* provider_name = "gatehouse";
constexpr const char* provider_properties = "provider=gatehouse";
constexpr const char* preference = "?provider=gatehouse";

thread_local const std::unique_ptr<TrafficSecrets>* listener = nullptr;

/// What libssl asks of the derivation. Views into its parameters.
struct WantedSecret {
  int mode = -1;
  std::optional<Hash> hash;
  std::optional<Octets> secret;  // "key"
  std::optional<Octets> salt;
  HkdfLabel label;
};

std::optional<Hash> hash_of(std::string_view name) {
  if (name == "SHA2-256" || name == "SHA256") return Hash::sha256;
  if (name == "SHA2-384" || name == "SHA384") return Hash::sha384;
  return std::nullopt;
}

Octets octets_in(const OSSL_PARAM& parameter) {
  return {static_cast<const unsigned char*>(parameter.data), parameter.data_size};
}

std::string_view text_in(const OSSL_PARAM& parameter) {
  return {static_cast<const char*>(parameter.data), parameter.data_size};
}

WantedSecret wanted_by(const OSSL_PARAM* parameter) {
  WantedSecret wanted;
  wanted.label.prefix = {};
  for (; parameter != nullptr && parameter->key != nullptr; ++parameter) {
    const std::string_view key = parameter->key;
    if (key == OSSL_KDF_PARAM_MODE) {
      if (OSSL_PARAM_get_int(parameter, &wanted.mode) != 1) wanted.mode = -1;
    } else if (key == OSSL_KDF_PARAM_DIGEST) {
      wanted.hash = hash_of(text_in(*parameter));
    } else if (key == OSSL_KDF_PARAM_KEY) {
      wanted.secret = octets_in(*parameter);
    } else if (key == OSSL_KDF_PARAM_SALT) {
      wanted.salt = octets_in(*parameter);
    } else if (key == OSSL_KDF_PARAM_PREFIX) {
      wanted.label.prefix = text_in(*parameter);
    } else if (key == OSSL_KDF_PARAM_LABEL) {
      wanted.label.label = text_in(*parameter);
    } else if (key == OSSL_KDF_PARAM_DATA) {
      wanted.label.context = octets_in(*parameter);
    }
  }
  return wanted;
}

/// One stage of the key schedule (RFC 8446 §7.1): what was before it, if anything, is the salt;
/// where there is no new secret, zeros are.
bool next_stage(const WantedSecret& wanted, std::span<unsigned char> out) {
  constexpr std::array<unsigned char, most_hash_octets> zeros{};
  const std::size_t size = octets_of(*wanted.hash);
  if (out.size() != size) return false;
  if (!wanted.salt && !wanted.secret) return first_stage(*wanted.hash, out.data());
  const Octets secret = wanted.secret.value_or(Octets(zeros).first(size));
  if (!wanted.salt) return extract(*wanted.hash, {}, secret, out.data());
  std::array<unsigned char, most_hash_octets> salt;
  const bool good = next_salt(*wanted.hash, *wanted.salt, wanted.label, salt.data()) &&
                    extract(*wanted.hash, Octets(salt).first(size), secret, out.data());
  OPENSSL_cleanse(salt.data(), salt.size());
  return good;
}

// What OpenSSL calls. libssl gives all its parameters with the derivation itself: there is nothing
// to remember, and so a context is no more than an address.

void* make_derivation(void* provider) noexcept { return provider; }
void drop_derivation(void*) noexcept {}

int derive_secret(void*, unsigned char* out, std::size_t size,
                  const OSSL_PARAM* parameters) noexcept {
  const WantedSecret wanted = wanted_by(parameters);
  if (!wanted.hash || out == nullptr) return 0;
  const std::span<unsigned char> room(out, size);
  if (wanted.mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY) return next_stage(wanted, room) ? 1 : 0;
  if (wanted.mode != EVP_KDF_HKDF_MODE_EXPAND_ONLY || !wanted.secret) return 0;
  if (!expand_label(*wanted.hash, *wanted.secret, wanted.label, room)) return 0;
  if (listener != nullptr && *listener) (*listener)->hear(wanted.label.label, *wanted.secret, room);
  return 1;
}

using Function = void (*)();

const OSSL_ALGORITHM* offered_algorithms(void*, int operation, int* no_cache) noexcept {
  static const OSSL_DISPATCH functions[] = {
      {OSSL_FUNC_KDF_NEWCTX, reinterpret_cast<Function>(make_derivation)},
      {OSSL_FUNC_KDF_FREECTX, reinterpret_cast<Function>(drop_derivation)},
      {OSSL_FUNC_KDF_DERIVE, reinterpret_cast<Function>(derive_secret)},
      {0, nullptr},
  };
  static const OSSL_ALGORITHM derivations[] = {
      {OSSL_KDF_NAME_TLS1_3_KDF, provider_properties, functions, "TLS 1.3 key schedule"},
      {nullptr, nullptr, nullptr, nullptr},
  };
  *no_cache = 0;
  return operation == OSSL_OP_KDF ? derivations : nullptr;
}

int start_provider(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** out,
                   void** context) noexcept {
  static const OSSL_DISPATCH functions[] = {
      {OSSL_FUNC_PROVIDER_QUERY_OPERATION, reinterpret_cast<Function>(offered_algorithms)},
      {0, nullptr},
  };
  static char here;
  *out = functions;
  *context = &here;  // of no meaning, but not null
  return 1;
}

}  // namespace

Hearing::Hearing(const std::unique_ptr<TrafficSecrets>& secrets) { listener = &secrets; }
Hearing::~Hearing() { listener = nullptr; }

const char* provider_query() {
  // Loaded for good: at exit OpenSSL's own clean-up, or a thread that still serves, may come first.
  static const OSSL_PROVIDER* const loaded = [] {
    // The default provider stays what it is: OpenSSL's fallback.
    constexpr int keep_fallback = 1;
    const OSSL_PROVIDER* made = nullptr;
    if (OSSL_PROVIDER_add_builtin(nullptr, provider_name, start_provider) == 1) {
      made = OSSL_PROVIDER_try_load(nullptr, provider_name, keep_fallback);
    }
    ERR_clear_error();
    return made;
  }();
  return loaded != nullptr ? preference : nullptr;
}

}  // namespace gatehouse::tls::detail
