#include "core/tls/handles.hpp"

#include <openssl/pem.h>

namespace gatehouse::tls {

std::string openssl_problem() {
  const unsigned long last = ERR_peek_last_error();
  std::string problem = "unknown OpenSSL error";
  if (last != 0) {
    const char* reason = ERR_reason_error_string(last);
    if (reason != nullptr) {
      problem = reason;
    } else {
      char line[256];
      ERR_error_string_n(last, line, sizeof line);
      problem = line;
    }
  }
  ERR_clear_error();
  return problem;
}

Error openssl_error(std::string_view doing) {
  return Error(Fault::io, Side::self, std::string(doing) + ": " + openssl_problem());
}

const EVP_MD* signing_digest(KeyType type) {
  if (type == KeyType::ed25519) return nullptr;
  return type == KeyType::p384 ? EVP_sha384() : EVP_sha256();
}

BioHandle memory_bio(std::string_view contents) {
  return BioHandle(BIO_new_mem_buf(contents.data(), int_size(contents)));
}

std::string memory_text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::string to_pem(X509* certificate) {
  const BioHandle bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return memory_text(bio.get());
}

}  // namespace gatehouse::tls
