#include "core/tls/detail/key_decoder.hpp"

#include <openssl/decoder.h>
#include <openssl/pem.h>

#include <array>
#include <optional>
#include <utility>

#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {
namespace {

/// A form that keys come in: what OpenSSL calls the structure and the type of key.
struct Form {
  const char* structure;
  const char* type;
  int id;  // OpenSSL's number of the type
};
constexpr const char* pkcs8 = "PrivateKeyInfo";
constexpr const char* own = "type-specific";
constexpr std::array<Form, 5> forms = {{{pkcs8, "EC", NID_X9_62_id_ecPublicKey},
                                        {pkcs8, "RSA", NID_rsaEncryption},
                                        {pkcs8, "ED25519", NID_ED25519},
                                        {own, "EC", NID_X9_62_id_ecPublicKey},
                                        {own, "RSA", NID_rsaEncryption}}};

/// A decoder of one form with the place where it puts its keys. Not movable: it knows that place.
class Decoder {
 public:
  explicit Decoder(const Form& form)
      : context_(OSSL_DECODER_CTX_new_for_pkey(&made_, "DER", form.structure, form.type,
                                               EVP_PKEY_KEYPAIR, nullptr, nullptr)) {}
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  EVP_PKEY* decode(const unsigned char* data, std::size_t size) {
    made_ = nullptr;
    if (context_ == nullptr || OSSL_DECODER_from_data(context_.get(), &data, &size) != 1) {
      EVP_PKEY_free(std::exchange(made_, nullptr));
    }
    return std::exchange(made_, nullptr);
  }

 private:
  EVP_PKEY* made_ = nullptr;
  std::unique_ptr<OSSL_DECODER_CTX, FreedBy<OSSL_DECODER_CTX_free>> context_;
};

Decoder& decoder_of(std::size_t form) {
  thread_local std::array<std::unique_ptr<Decoder>, forms.size()> kept;
  if (!kept[form]) kept[form] = std::make_unique<Decoder>(forms[form]);
  return *kept[form];
}

std::optional<std::size_t> place_of(const char* structure, int type) {
  for (std::size_t at = 0; at < forms.size(); ++at) {
    if (forms[at].structure == structure && forms[at].id == type) return at;
  }
  return {};
}

/// The first block of a PEM text. What it held is cleansed.
struct Block {
  explicit Block(std::string_view pem) {
    const BioHandle bio = memory_bio(pem);
    if (PEM_read_bio(bio.get(), &label, &header, &data, &size) != 1) size = 0;
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() {
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, static_cast<std::size_t>(size));
  }
  bool plain() const { return size > 0 && *header == '\0'; }

  char* label = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
};

std::optional<std::size_t> form_of(const Block& block) {
  const std::string_view label = block.label;
  if (label == PEM_STRING_ECPRIVATEKEY) return place_of(own, NID_X9_62_id_ecPublicKey);
  if (label == PEM_STRING_RSA) return place_of(own, NID_rsaEncryption);
  if (label != PEM_STRING_PKCS8INF) return {};
  const unsigned char* at = block.data;
  const std::unique_ptr<PKCS8_PRIV_KEY_INFO, FreedBy<PKCS8_PRIV_KEY_INFO_free>> wrapped(
      d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, block.size));
  const ASN1_OBJECT* algorithm = nullptr;
  if (!wrapped || PKCS8_pkey_get0(&algorithm, nullptr, nullptr, nullptr, wrapped.get()) != 1) {
    return {};
  }
  return place_of(pkcs8, OBJ_obj2nid(algorithm));
}

}  // namespace

std::shared_ptr<evp_pkey_st> decode_plain_key(std::string_view pem) {
  EVP_PKEY* key = nullptr;
  const Block block(pem);
  if (block.plain()) {
    if (const auto form = form_of(block)) {
      key = decoder_of(*form).decode(block.data, static_cast<std::size_t>(block.size));
    }
  }
  ERR_clear_error();
  return {key, EVP_PKEY_free};
}

}  // namespace gatehouse::tls::detail
