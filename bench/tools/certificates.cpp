// Makes many certificates of their own names, each with a key of its own (ECDSA P-256), faster than
// openssl(1) is started so many times.
//
//   certificates FOLDER COUNT        FOLDER/0.crt, FOLDER/0.key for n0.bench, and so on
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

X509* certificate_of(EVP_PKEY* key, const std::string& host, long serial) {
  X509* const out = X509_new();
  X509_set_version(out, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(out), serial);
  X509_gmtime_adj(X509_getm_notBefore(out), -60);
  X509_gmtime_adj(X509_getm_notAfter(out), 30L * 24 * 3600);
  X509_set_pubkey(out, key);
  X509_NAME* const name = X509_get_subject_name(out);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(host.c_str()), -1, -1, 0);
  X509_set_issuer_name(out, name);
  X509_EXTENSION* const names =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("DNS:" + host).c_str());
  X509_add_ext(out, names, -1);
  X509_EXTENSION_free(names);
  if (X509_sign(out, key, EVP_sha256()) == 0) fail("X509_sign");
  return out;
}

FILE* create(const std::string& path) {
  FILE* const out = std::fopen(path.c_str(), "w");
  if (out == nullptr) fail(path + ": cannot be written");
  return out;
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) fail("usage: certificates FOLDER COUNT");
  const std::string folder = words[1];
  for (long number = 0; number < std::atol(words[2]); ++number) {
    const std::string text = std::to_string(number);
    EVP_PKEY* const key = EVP_EC_gen("P-256");
    X509* const certificate = certificate_of(key, "n" + text + ".bench", number + 1);
    FILE* const certificate_file = create(folder + "/" + text + ".crt");
    FILE* const key_file = create(folder + "/" + text + ".key");
    if (PEM_write_X509(certificate_file, certificate) != 1 ||
        PEM_write_PrivateKey(key_file, key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
      fail("PEM_write");
    }
    std::fclose(certificate_file);
    std::fclose(key_file);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
}
