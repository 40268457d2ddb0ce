#include "core/tls/detail/hkdf.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {
namespace {

constexpr std::size_t most_block = 128;
constexpr std::size_t most_label = 255;
constexpr std::size_t most_blocks = 255;

constexpr std::size_t block_octets(Hash hash) { return hash == Hash::sha256 ? 64 : 128; }

// Looking an algorithm up costs more than using it. Never freed: at exit OpenSSL's own clean-up, or
// a thread that still serves, may come first.
const EVP_MD* digest_of(Hash hash) {
  static const EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  static const EVP_MD* const sha384 = EVP_MD_fetch(nullptr, "SHA384", nullptr);
  return hash == Hash::sha256 ? sha256 : sha384;
}

/// This thread's state of a hash, begun anew. Null: OpenSSL has none.
EVP_MD_CTX* begun(Hash hash) {
  thread_local std::array<DigestContext, 2> all;
  DigestContext& here = all[static_cast<std::size_t>(hash)];
  const EVP_MD* digest = nullptr;  // that of last time
  if (!here) {
    digest = digest_of(hash);
    here.reset(EVP_MD_CTX_new());
    if (digest == nullptr || !here) {
      here.reset();
      return nullptr;
    }
  }
  if (EVP_DigestInit_ex2(here.get(), digest, nullptr) == 1) return here.get();
  here.reset();
  return nullptr;
}

bool absorb(EVP_MD_CTX* state, Octets data) {
  return EVP_DigestUpdate(state, data.data(), data.size()) == 1;
}

bool finish(EVP_MD_CTX* state, unsigned char* out) {
  return EVP_DigestFinal_ex(state, out, nullptr) == 1;
}

/// The key of an HMAC, filled up to a block (RFC 2104 §2).
class HmacPad {
 public:
  HmacPad(Hash hash, Octets key) : size_(block_octets(hash)) {
    fits_ = key.size() <= size_;
    if (fits_) std::copy(key.begin(), key.end(), octets_.begin());
    if (!fits_) fits_ = hashed(hash, key);
  }
  HmacPad(const HmacPad&) = delete;
  HmacPad& operator=(const HmacPad&) = delete;
  ~HmacPad() { OPENSSL_cleanse(octets_.data(), octets_.size()); }

  bool fits() const { return fits_; }
  Octets inner() { return mixed(0x36); }
  Octets outer() { return mixed(0x36 ^ 0x5c); }  // takes the inner one's mark off again

 private:
  bool hashed(Hash hash, Octets key) {
    EVP_MD_CTX* const state = begun(hash);
    return state != nullptr && absorb(state, key) && finish(state, octets_.data());
  }
  Octets mixed(unsigned char mark) {
    for (std::size_t i = 0; i < size_; ++i) octets_[i] ^= mark;
    return Octets(octets_).first(size_);
  }

  std::array<unsigned char, most_block> octets_{};
  std::size_t size_;
  bool fits_ = false;
};

/// A key's HMAC, ready to take octets: both hashes with their pad behind them, which is half of the
/// work where little follows.
struct Keyed {
  Hash hash = Hash::sha256;
  std::array<unsigned char, most_hash_octets> key{};
  std::ptrdiff_t size = 0;  // 0: of no key
  DigestContext inner;
  DigestContext outer;

  bool is_of(Hash wanted, Octets secret) const {
    return hash == wanted &&
           std::equal(secret.begin(), secret.end(), key.begin(), key.begin() + size);
  }
  bool load(Hash wanted, Octets secret);
  void wipe();
};

bool Keyed::load(Hash wanted, Octets secret) {
  wipe();
  HmacPad pad(wanted, secret);
  if (!inner) inner.reset(EVP_MD_CTX_new());
  if (!outer) outer.reset(EVP_MD_CTX_new());
  // A digest it had before is set again at no cost.
  const EVP_MD* const digest = digest_of(wanted);
  if (!inner || !outer || digest == nullptr ||
      EVP_DigestInit_ex2(inner.get(), digest, nullptr) != 1 ||
      EVP_DigestInit_ex2(outer.get(), digest, nullptr) != 1 || !absorb(inner.get(), pad.inner()) ||
      !absorb(outer.get(), pad.outer())) {
    return false;
  }
  hash = wanted;
  size = std::ssize(secret);
  std::copy(secret.begin(), secret.end(), key.begin());
  return true;
}

void Keyed::wipe() {
  if (size == 0) return;
  OPENSSL_cleanse(key.data(), key.size());
  size = 0;
  EVP_DigestInit_ex2(inner.get(), nullptr, nullptr);
  EVP_DigestInit_ex2(outer.get(), nullptr, nullptr);
}

/// The keys of the handshake that this thread is at: of each secret several keys are made in a row.
struct Remembered {
  std::array<Keyed, 4> keys;
  std::size_t next = 0;
  std::array<DigestContext, 2> work;  // one a hash
  bool open = false;

  void wipe();
};

void Remembered::wipe() {
  for (Keyed& each : keys) each.wipe();
  for (const DigestContext& each : work) {
    if (each) EVP_DigestInit_ex2(each.get(), nullptr, nullptr);
  }
}

Remembered& remembered() {
  thread_local Remembered all;
  return all;
}

/// Null: it is not to be remembered, or there is no memory.
const Keyed* known_key(Hash hash, Octets secret) {
  Remembered& all = remembered();
  if (!all.open || secret.empty() || secret.size() > most_hash_octets) return nullptr;
  for (const Keyed& each : all.keys) {
    if (each.is_of(hash, secret)) return &each;
  }
  Keyed& here = all.keys[all.next];
  all.next = (all.next + 1) % all.keys.size();
  return here.load(hash, secret) ? &here : nullptr;
}

using Parts = std::initializer_list<Octets>;

bool absorb_all(EVP_MD_CTX* state, Parts parts) {
  return std::all_of(parts.begin(), parts.end(), [&](Octets part) { return absorb(state, part); });
}

/// What it leaves in the work space goes with the remembered keys.
bool hmac_with(const Keyed& keyed, Parts parts, unsigned char* out) {
  DigestContext& work = remembered().work[static_cast<std::size_t>(keyed.hash)];
  if (!work) work.reset(EVP_MD_CTX_new());
  EVP_MD_CTX* const state = work.get();
  std::array<unsigned char, most_hash_octets> digest;
  const bool good = state != nullptr && EVP_MD_CTX_copy_ex(state, keyed.inner.get()) == 1 &&
                    absorb_all(state, parts) && finish(state, digest.data()) &&
                    EVP_MD_CTX_copy_ex(state, keyed.outer.get()) == 1 &&
                    absorb(state, Octets(digest).first(octets_of(keyed.hash))) &&
                    finish(state, out);
  OPENSSL_cleanse(digest.data(), digest.size());
  return good;
}

bool hmac_once(Hash hash, Octets key, Parts parts, unsigned char* out) {
  HmacPad pad(hash, key);
  if (!pad.fits()) return false;
  EVP_MD_CTX* const inner = begun(hash);
  std::array<unsigned char, most_hash_octets> digest;
  const bool half = inner != nullptr && absorb(inner, pad.inner()) && absorb_all(inner, parts) &&
                    finish(inner, digest.data());
  EVP_MD_CTX* const outer = begun(hash);
  const bool good = half && outer != nullptr && absorb(outer, pad.outer()) &&
                    absorb(outer, Octets(digest).first(octets_of(hash))) && finish(outer, out);
  OPENSSL_cleanse(digest.data(), digest.size());
  // The state still knows the result: it begins anew.
  return begun(hash) != nullptr && good;
}

/// HMAC (RFC 2104) of the parts, one behind the other. `out` may be one of them.
bool hmac(Hash hash, Octets key, Parts parts, unsigned char* out) {
  const Keyed* const keyed = known_key(hash, key);
  return keyed != nullptr ? hmac_with(*keyed, parts, out) : hmac_once(hash, key, parts, out);
}

/// What is the same in all handshakes. No secrets.
struct Known {
  std::array<unsigned char, most_hash_octets> of_nothing{};
  std::array<unsigned char, most_hash_octets> first_stage{};
  bool good = false;
};

Known make_known(Hash hash) {
  constexpr std::array<unsigned char, most_hash_octets> zeros{};
  Known out;
  EVP_MD_CTX* const state = begun(hash);
  out.good = state != nullptr && finish(state, out.of_nothing.data()) &&
             hmac(hash, {}, {Octets(zeros).first(octets_of(hash))}, out.first_stage.data());
  return out;
}

const Known& known(Hash hash) {
  static const std::array<Known, 2> both{make_known(Hash::sha256), make_known(Hash::sha384)};
  return both[static_cast<std::size_t>(hash)];
}

/// HkdfLabel, laid out.
class LaidOut {
 public:
  LaidOut(const HkdfLabel& label, std::size_t wanted) {
    const std::size_t name = label.prefix.size() + label.label.size();
    fits_ = name <= most_label && label.context.size() <= most_label && wanted <= 0xffff;
    if (!fits_) return;
    put(wanted >> 8);
    put(wanted);
    put(name);
    put(Octets(octets(label.prefix), label.prefix.size()));
    put(Octets(octets(label.label), label.label.size()));
    put(label.context.size());
    put(label.context);
  }
  bool fits() const { return fits_; }
  Octets laid_out() const { return Octets(octets_).first(size_); }

 private:
  void put(std::size_t octet) { octets_[size_++] = static_cast<unsigned char>(octet); }
  void put(Octets data) {
    std::copy(data.begin(), data.end(), octets_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += data.size();
  }

  std::array<unsigned char, 4 + 2 * most_label> octets_;
  std::size_t size_ = 0;
  bool fits_ = false;
};

}  // namespace

RememberedSecrets::RememberedSecrets() { remembered().open = true; }

RememberedSecrets::~RememberedSecrets() {
  remembered().open = false;
  remembered().wipe();
}

/// No salt comes twice.
bool extract(Hash hash, Octets salt, Octets secret, unsigned char* out) {
  return hmac_once(hash, salt, {secret}, out);
}

/// RFC 5869 §2.3. For TLS itself one block is always enough; an exporter may want more.
bool expand_label(Hash hash, Octets secret, const HkdfLabel& label, std::span<unsigned char> out) {
  const LaidOut info(label, out.size());
  const std::size_t size = octets_of(hash);
  if (!info.fits() || out.size() > most_blocks * size) return false;
  std::array<unsigned char, most_hash_octets> block;
  Octets before;
  bool good = true;
  for (unsigned char number = 1; good && !out.empty(); ++number) {
    good = hmac(hash, secret, {before, info.laid_out(), Octets(&number, 1)}, block.data());
    const std::size_t taken = std::min(size, out.size());
    std::copy_n(block.begin(), taken, out.begin());
    out = out.subspan(taken);
    before = Octets(block).first(size);
  }
  OPENSSL_cleanse(block.data(), block.size());
  return good;
}

bool first_stage(Hash hash, unsigned char* out) {
  const Known& same = known(hash);
  std::copy_n(same.first_stage.begin(), octets_of(hash), out);
  return same.good;
}

bool next_salt(Hash hash, Octets secret, HkdfLabel derived, unsigned char* out) {
  const Known& same = known(hash);
  derived.context = Octets(same.of_nothing).first(octets_of(hash));
  return same.good && expand_label(hash, secret, derived, {out, octets_of(hash)});
}

}  // namespace gatehouse::tls::detail
