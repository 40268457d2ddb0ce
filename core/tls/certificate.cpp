#include "core/tls/certificate.hpp"

#include <openssl/pem.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "core/base/bytes.hpp"
#include "core/base/host.hpp"
#include "core/tls/detail/x509_text.hpp"
#include "core/tls/digest.hpp"
#include "core/tls/handles.hpp"

namespace gatehouse::tls {
namespace {

Error bad(std::string detail) {
  return Error(Fault::bad_message, Side::self, "certificate: " + std::move(detail));
}

using Shared = std::shared_ptr<X509>;

Shared decoded(std::string_view der) {
  const unsigned char* at = octets(der);
  return {d2i_X509(nullptr, &at, static_cast<long>(der.size())), X509_free};
}

/// One object for each intermediate in memory, however many leaves it stands above: with 100,000
/// certificates their chains would be most of the memory, and decoding a public key is most of
/// what reading a certificate costs. Entries die with their last certificate. Null: damaged.
Shared interned(std::string_view der) {
  static std::mutex guard;
  static std::unordered_map<std::string, std::weak_ptr<X509>> known;
  const std::string print = sha256(der);
  {
    const std::lock_guard lock(guard);
    const auto entry = known.find(print);
    if (entry != known.end()) {
      if (Shared held = entry->second.lock()) return held;
    }
  }
  Shared certificate = decoded(der);
  if (!certificate) return certificate;
  // OpenSSL reads the extensions at first need: here, where no other thread has the object yet.
  X509_check_purpose(certificate.get(), -1, 0);
  const std::lock_guard lock(guard);
  if (known.size() > 1024) {
    std::erase_if(known, [](const auto& entry) { return entry.second.expired(); });
  }
  std::weak_ptr<X509>& entry = known[print];
  if (Shared held = entry.lock()) return held;  // another thread was faster
  entry = certificate;
  return certificate;
}

/// Leaf first.
Result<std::vector<Shared>> read_all(std::string_view pem) {
  const BioHandle bio = memory_bio(pem);
  std::vector<Shared> out;
  for (;;) {
    unsigned char* data = nullptr;
    long size = 0;
    if (PEM_bytes_read_bio(&data, &size, nullptr, PEM_STRING_X509, bio.get(), nullptr, nullptr) ==
        1) {
      const OwnedOctets held(data);
      const std::string_view der = text(data, static_cast<std::size_t>(size));
      Shared next = out.empty() ? decoded(der) : interned(der);
      if (next) {
        out.push_back(std::move(next));
        continue;
      }
    } else if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
      ERR_clear_error();
      if (out.empty()) return bad("no 'CERTIFICATE' block in the text");
      return out;
    }
    return bad("block " + std::to_string(out.size() + 1) + " is damaged: " + openssl_problem());
  }
}

std::string common_name(const X509_NAME* name) {
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0) return {};
  unsigned char* utf8 = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  if (size < 0) {
    ERR_clear_error();
    return {};
  }
  std::string out(text(utf8, static_cast<std::size_t>(size)));
  OPENSSL_free(utf8);
  return out;
}

Result<Wall> wall(const ASN1_TIME* time) {
  auto when = detail::wall_of(time);
  if (!when) return bad(when.error().detail());
  return when;
}

std::string_view view(const ASN1_STRING* string) {
  return text(ASN1_STRING_get0_data(string), static_cast<std::size_t>(ASN1_STRING_length(string)));
}

std::vector<std::string> alt_names(const X509* leaf) {
  std::vector<std::string> out;
  const AltNames names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    std::string found;
    if (name->type == GEN_DNS) found = to_lower(view(name->d.dNSName));
    if (name->type == GEN_IPADD) found = detail::address_text(view(name->d.iPAddress));
    if (!found.empty()) out.push_back(std::move(found));
  }
  return out;
}

/// DER of the INTEGER without its tag and length (always short form: at most 20 octets and sign).
std::string serial_content(const X509* leaf) {
  std::string whole = der<i2d_ASN1_INTEGER>(X509_get0_serialNumber(leaf));
  return whole.size() > 2 ? whole.substr(2) : std::string();
}

bool wants_staple(const X509* leaf) {
  // RFC 7633: a list of TLS extension numbers; 5 is status_request.
  const std::unique_ptr<TLS_FEATURE, FreedBy<TLS_FEATURE_free>> features(
      static_cast<TLS_FEATURE*>(X509_get_ext_d2i(leaf, NID_tlsfeature, nullptr, nullptr)));
  for (int i = 0; i < sk_ASN1_INTEGER_num(features.get()); ++i) {
    if (ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features.get(), i)) == 5) return true;
  }
  return false;
}

Result<KeyType> public_key_type(X509* leaf) {
  EVP_PKEY* key = X509_get0_pubkey(leaf);
  if (key == nullptr) return bad("its public key is unreadable: " + openssl_problem());
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_ED25519:
      return KeyType::ed25519;
    case EVP_PKEY_EC:
      return EVP_PKEY_get_bits(key) <= 256   ? KeyType::p256
             : EVP_PKEY_get_bits(key) <= 384 ? KeyType::p384
                                             : KeyType::p521;
    case EVP_PKEY_RSA:
      return EVP_PKEY_get_bits(key) == 2048   ? KeyType::rsa2048
             : EVP_PKEY_get_bits(key) == 3072 ? KeyType::rsa3072
             : EVP_PKEY_get_bits(key) == 4096 ? KeyType::rsa4096
                                              : KeyType::rsa_other;
    default:
      return bad("its key is neither ECDSA, RSA nor Ed25519");
  }
}

}  // namespace

Result<void> Certificate::read_leaf() {
  X509* leaf = leaf_.get();
  auto type = public_key_type(leaf);
  if (!type) return type.error();
  key_type_ = *type;
  auto from = wall(X509_get0_notBefore(leaf));
  if (!from) return from.error();
  not_before_ = *from;
  auto until = wall(X509_get0_notAfter(leaf));
  if (!until) return until.error();
  not_after_ = *until;
  names_ = alt_names(leaf);
  subject_ = common_name(X509_get_subject_name(leaf));
  issuer_ = common_name(X509_get_issuer_name(leaf));
  serial_ = serial_content(leaf);
  if (const auto* id = X509_get0_authority_key_id(leaf)) authority_key_id_ = view(id);
  must_staple_ = wants_staple(leaf);
  self_signed_ = X509_self_signed(leaf, 0) == 1;
  ERR_clear_error();
  return {};
}

Result<std::shared_ptr<Certificate>> Certificate::read(std::string_view chain_pem) {
  auto all = read_all(chain_pem);
  if (!all) return all.error();
  std::shared_ptr<Certificate> out(new Certificate);
  out->leaf_ = all->front();
  auto leaf = out->read_leaf();
  if (!leaf) return leaf.error();
  out->chain_stack_ = {sk_X509_new_null(), free_certificates};
  for (std::size_t i = 1; i < all->size(); ++i) {
    X509* below = (*all)[i - 1].get();
    const Shared& issuer = (*all)[i];
    if (X509_check_issued(issuer.get(), below) != X509_V_OK ||
        X509_verify(below, X509_get0_pubkey(issuer.get())) != 1) {
      ERR_clear_error();
      return bad("number " + std::to_string(i + 1) + " of the chain has not signed number " +
                 std::to_string(i));
    }
    X509_up_ref(issuer.get());
    sk_X509_push(out->chain_stack_.get(), issuer.get());
    out->chain_.push_back(issuer);
  }
  out->last_issuer_ = common_name(
      X509_get_issuer_name(out->chain_.empty() ? out->leaf_.get() : out->chain_.back().get()));
  return out;
}

Result<CertificatePointer> Certificate::parse_public(std::string_view chain_pem) {
  auto out = read(chain_pem);
  if (!out) return out.error();
  return CertificatePointer(std::move(*out));
}

Result<CertificatePointer> Certificate::parse(std::string_view chain_pem, PrivateKey key) {
  auto out = read(chain_pem);
  if (!out) return out.error();
  if (!(*out)->fits(key)) return bad("the private key belongs to another certificate");
  (*out)->key_ = std::move(key);
  return CertificatePointer(std::move(*out));
}

Result<CertificatePointer> Certificate::parse(std::string_view chain_pem,
                                              std::string_view key_pem) {
  auto key = PrivateKey::from_pem(key_pem);
  if (!key) return key.error();
  return parse(chain_pem, std::move(*key));
}

bool Certificate::fits(const PrivateKey& key) const {
  const bool same = key && EVP_PKEY_eq(X509_get0_pubkey(leaf_.get()), key.handle()) == 1;
  ERR_clear_error();
  return same;
}

bool Certificate::covers(std::string_view host) const {
  const std::string wildcard = wildcard_of(host);
  return std::any_of(names_.begin(), names_.end(), [&](const std::string& name) {
    return name == host || (!wildcard.empty() && name == wildcard);
  });
}

std::string Certificate::serial_hex() const { return hex(serial_); }
std::string Certificate::leaf_der() const { return der<i2d_X509>(leaf_.get()); }
std::string Certificate::leaf_pem() const { return to_pem(leaf_.get()); }

std::string Certificate::chain_pem() const {
  std::string out = leaf_pem();
  for (const Shared& each : chain_) out += to_pem(each.get());
  return out;
}

std::string Certificate::fingerprint() const { return sha256(leaf_der()); }

CertificateHandle make_certificate_set(std::vector<CertificatePointer> certificates) {
  std::stable_partition(certificates.begin(), certificates.end(),
                        [](const CertificatePointer& each) { return !is_rsa(each->key_type()); });
  auto out = std::make_shared<CertificateSet>();
  out->not_after = Wall::max();
  for (const CertificatePointer& each : certificates) {
    out->not_after = std::min(out->not_after, each->not_after());
  }
  out->by_preference = std::move(certificates);
  return out;
}

}  // namespace gatehouse::tls
