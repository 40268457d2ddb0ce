#include "core/tls/seal.hpp"

#include "core/tls/handles.hpp"

namespace gatehouse::tls {
namespace {

constexpr std::size_t key_octets = 32;
constexpr std::size_t nonce_octets = 12;
constexpr std::size_t tag_octets = 16;

Error bad_key() { return Error(Fault::bad_message, Side::self, "a sealing key has 32 octets"); }
Error failed() { return Error(Fault::io, Side::self, "AES-256-GCM: " + openssl_problem()); }

}  // namespace

Result<std::string> seal(std::string_view key, std::string_view plain, std::string_view about,
                         Entropy& entropy) {
  if (key.size() != key_octets) return bad_key();
  std::string out = entropy.octets(nonce_octets);
  out.resize(nonce_octets + plain.size() + tag_octets);
  unsigned char* const nonce = octets(out);
  unsigned char* const body = nonce + nonce_octets;
  CipherContext context(EVP_CIPHER_CTX_new());
  int moved = 0;
  if (!context ||
      EVP_EncryptInit_ex2(context.get(), EVP_aes_256_gcm(), octets(key), nonce, nullptr) != 1 ||
      EVP_EncryptUpdate(context.get(), nullptr, &moved, octets(about), int_size(about)) != 1 ||
      EVP_EncryptUpdate(context.get(), body, &moved, octets(plain), int_size(plain)) != 1 ||
      EVP_EncryptFinal_ex(context.get(), body + plain.size(), &moved) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, tag_octets, body + plain.size()) !=
          1) {
    return failed();
  }
  return out;
}

Result<std::string> unseal(std::string_view key, std::string_view sealed, std::string_view about) {
  if (key.size() != key_octets) return bad_key();
  if (sealed.size() < nonce_octets + tag_octets) {
    return Error(Fault::bad_message, Side::self, "sealed text is too short");
  }
  const std::string_view body =
      sealed.substr(nonce_octets, sealed.size() - nonce_octets - tag_octets);
  std::string tag(sealed.substr(sealed.size() - tag_octets));
  std::string out(body.size(), '\0');
  CipherContext context(EVP_CIPHER_CTX_new());
  int moved = 0;
  if (!context ||
      EVP_DecryptInit_ex2(context.get(), EVP_aes_256_gcm(), octets(key), octets(sealed), nullptr) !=
          1 ||
      EVP_DecryptUpdate(context.get(), nullptr, &moved, octets(about), int_size(about)) != 1 ||
      EVP_DecryptUpdate(context.get(), octets(out), &moved, octets(body), int_size(body)) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, tag_octets, tag.data()) != 1) {
    return failed();
  }
  unsigned char none[1];
  if (EVP_DecryptFinal_ex(context.get(), none, &moved) != 1) {
    ERR_clear_error();
    return Error(Fault::denied, Side::self, "sealed with another key, or changed");
  }
  return out;
}

}  // namespace gatehouse::tls
