#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/tls/certificate_index.hpp"
#include "core/tls/key.hpp"

struct x509_st;        // OpenSSL's certificate
struct stack_st_X509;  // and a list of them

namespace gatehouse::tls {

class Certificate;
using CertificatePointer = std::shared_ptr<const Certificate>;

/// A leaf with its chain and private key. Immutable, any thread; reading it from PEM takes time:
/// do it off the workers.
class Certificate {
 public:
  /// The leaf comes first. Errors say what does not fit: damaged PEM, no certificate, a key of
  /// another certificate, a chain whose links do not sign one another.
  static Result<CertificatePointer> parse(std::string_view chain_pem, PrivateKey key);
  static Result<CertificatePointer> parse(std::string_view chain_pem, std::string_view key_pem);
  /// To look at, not to serve: without its key.
  static Result<CertificatePointer> parse_public(std::string_view chain_pem);

  /// From the subject alternative names, in normal_host() form (wildcards with their `*.`).
  const std::vector<std::string>& names() const { return names_; }
  /// Exact, or by a wildcard of one label (RFC 9525 §6.3). `host` in normal_host() form.
  bool covers(std::string_view host) const;

  Wall not_before() const { return not_before_; }
  Wall not_after() const { return not_after_; }
  /// Empty where there is none.
  const std::string& subject_common_name() const { return subject_; }
  const std::string& issuer_common_name() const { return issuer_; }
  /// Of the last certificate sent: what a preferred chain is chosen by.
  const std::string& last_issuer_common_name() const { return last_issuer_; }

  /// DER INTEGER content octets, with the leading 00 where the top bit is set (RFC 9773 §4.1).
  const std::string& serial() const { return serial_; }
  std::string serial_hex() const;
  /// keyIdentifier octets of the authority key identifier; empty where there is none.
  const std::string& authority_key_id() const { return authority_key_id_; }
  /// RFC 7633: the leaf demands a stapled OCSP answer.
  bool must_staple() const { return must_staple_; }
  bool self_signed() const { return self_signed_; }

  KeyType key_type() const { return key_type_; }
  /// Empty after parse_public().
  const PrivateKey& key() const { return key_; }
  bool fits(const PrivateKey& key) const;

  std::string leaf_der() const;
  std::string leaf_pem() const;
  /// Leaf and chain, as it is sent.
  std::string chain_pem() const;
  /// How many certificates are sent.
  std::size_t chain_size() const { return chain_.size() + 1; }
  /// SHA-256 of the leaf, raw octets.
  std::string fingerprint() const;

  x509_st* leaf() const { return leaf_.get(); }
  stack_st_X509* chain() const { return chain_stack_.get(); }

 private:
  Certificate() = default;
  static Result<std::shared_ptr<Certificate>> read(std::string_view chain_pem);
  Result<void> read_leaf();

  std::shared_ptr<x509_st> leaf_;
  std::vector<std::shared_ptr<x509_st>> chain_;  // one object for all certificates that share it
  std::shared_ptr<stack_st_X509> chain_stack_;
  PrivateKey key_;
  KeyType key_type_ = KeyType::p256;
  std::vector<std::string> names_;
  Wall not_before_;
  Wall not_after_;
  std::string subject_;
  std::string issuer_;
  std::string last_issuer_;
  std::string serial_;
  std::string authority_key_id_;
  bool must_staple_ = false;
  bool self_signed_ = false;
};

/// A set of certificates that share their names, in the order to prefer them (ECDSA first).
CertificateHandle make_certificate_set(std::vector<CertificatePointer> certificates);

}  // namespace gatehouse::tls
