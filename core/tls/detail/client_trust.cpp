#include "core/tls/detail/client_trust.hpp"

#include <openssl/pem.h>

#include <algorithm>

#include "core/base/bytes.hpp"
#include "core/tls/detail/x509_text.hpp"
#include "core/tls/digest.hpp"
#include "core/tls/handles.hpp"
#include "core/tls/trust_text.hpp"

namespace gatehouse::tls::detail {
namespace {

using ListHandle = std::unique_ptr<X509_CRL, FreedBy<X509_CRL_free>>;
using StoreHandle = std::unique_ptr<X509_STORE, FreedBy<X509_STORE_free>>;

/// Leaf, intermediates and root.
constexpr int most_intermediates = 8;

Error bad(std::string detail) { return Error(Fault::bad_message, Side::self, std::move(detail)); }

/// The error of a PEM reader that has no more to give: none when the text is simply over.
Result<void> end_of_blocks(std::size_t read, std::string_view kind) {
  const bool no_more = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string problem = openssl_problem();
  if (!no_more) return bad("block " + std::to_string(read + 1) + " is damaged: " + problem);
  if (read == 0) return bad("no '" + std::string(kind) + "' block in the text");
  return {};
}

/// Adds every list of a PEM text, and says when the first of them runs out.
Result<std::optional<Wall>> add_lists(X509_STORE* store, std::string_view pem) {
  std::optional<Wall> until;
  const BioHandle bio = memory_bio(pem);
  for (std::size_t read = 0;; ++read) {
    const ListHandle next(PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr));
    if (!next) {
      auto ended = end_of_blocks(read, "X509 CRL");
      if (!ended) return std::move(ended).error();
      return until;
    }
    if (X509_STORE_add_crl(store, next.get()) != 1) return bad(openssl_problem());
    const ASN1_TIME* runs_out = X509_CRL_get0_nextUpdate(next.get());
    if (runs_out == nullptr) continue;
    auto when = wall_of(runs_out);
    if (!when) return when.error();
    until = std::min(*when, until.value_or(*when));
  }
}

/// Lists are asked for of every authority in a chain, and only the client's own issuer must have
/// one: roots rarely publish any.
int on_verify(int fine, X509_STORE_CTX* chain) noexcept {
  if (fine == 1) return 1;
  const bool no_list = X509_STORE_CTX_get_error(chain) == X509_V_ERR_UNABLE_TO_GET_CRL;
  if (!no_list || X509_STORE_CTX_get_error_depth(chain) == 0) return 0;
  X509_STORE_CTX_set_error(chain, X509_V_OK);
  return 1;
}

std::string_view view(const ASN1_STRING* string) {
  return text(ASN1_STRING_get0_data(string), static_cast<std::size_t>(ASN1_STRING_length(string)));
}

/// Control octets and those beyond ASCII come out escaped.
std::string rfc2253(const X509_NAME* name) {
  const BioHandle out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253);
  return memory_text(out.get());
}

void append_escaped(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c > 0x20 && c < 0x7F && c != ',' && c != '\\') {
      out += c;
    } else {
      out.append("\\").append(hex(std::string_view(&c, 1)));
    }
  }
}

void append_name(std::string& out, std::string_view kind, std::string_view value) {
  if (value.empty()) return;
  if (!out.empty()) out += ',';
  out += kind;
  append_escaped(out, value);
}

std::string alternative_names(const X509* certificate) {
  std::string out;
  const AltNames names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) append_name(out, "DNS:", view(name->d.dNSName));
    if (name->type == GEN_EMAIL) append_name(out, "EMAIL:", view(name->d.rfc822Name));
    if (name->type == GEN_URI) append_name(out, "URI:", view(name->d.uniformResourceIdentifier));
    if (name->type == GEN_IPADD) append_name(out, "IP:", address_text(view(name->d.iPAddress)));
  }
  return out;
}

std::string serial_of(const X509* certificate) {
  const Number number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  if (!number) return {};
  std::string octets_of(static_cast<std::size_t>(BN_num_bytes(number.get())), '\0');
  BN_bn2bin(number.get(), octets(octets_of));
  return hex(octets_of);
}

}  // namespace

Result<void> add_certificates(x509_store_st* store, std::string_view pem) {
  const BioHandle bio = memory_bio(pem);
  for (std::size_t read = 0;; ++read) {
    const X509Handle next(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!next) return end_of_blocks(read, "CERTIFICATE");
    if (X509_STORE_add_cert(store, next.get()) != 1) return bad(openssl_problem());
  }
}

ClientTrust::~ClientTrust() = default;

Result<std::unique_ptr<ClientTrust>> ClientTrust::make(const ClientAuth& settings) {
  std::unique_ptr<ClientTrust> made(new ClientTrust);
  made->mode_ = settings.mode;
  made->store_ = {X509_STORE_new(), X509_STORE_free};
  X509_STORE* const store = made->store_.get();
  if (store == nullptr) return bad(openssl_problem());
  auto added = add_certificates(store, settings.roots);
  if (!added) return std::move(added).error().within("client_auth.roots");
  // An intermediate among the roots is enough: who writes it there means those below it.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  if (settings.crl.empty()) return made;
  auto until = add_lists(store, settings.crl);
  if (!until) return std::move(until).error().within("client_auth.crl");
  made->crl_until_ = *until;
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return made;
}

bool ClientTrust::attach(ssl_ctx_st* context) const {
  // The verify store, not the context's own: from that one OpenSSL would complete our own chains.
  if (SSL_CTX_set1_verify_cert_store(context, store_.get()) != 1) return false;
  STACK_OF(X509_NAME)* names = sk_X509_NAME_new_null();
  const STACK_OF(X509_OBJECT)* all = X509_STORE_get0_objects(store_.get());
  for (int i = 0; i < sk_X509_OBJECT_num(all); ++i) {
    X509* certificate = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));
    if (certificate == nullptr) continue;
    X509_NAME* name = X509_NAME_dup(X509_get_subject_name(certificate));
    if (name != nullptr) sk_X509_NAME_push(names, name);
  }
  SSL_CTX_set_client_CA_list(context, names);  // takes them
  return true;
}

void ClientTrust::demand(ssl_st* ssl) const {
  const int require = mode_ == ClientAuth::Mode::require ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  SSL_set_verify(ssl, SSL_VERIFY_PEER | require, on_verify);
  SSL_set_verify_depth(ssl, most_intermediates);
}

bool ClientTrust::resumes(const ssl_session_st* session, Wall now) const {
  X509* peer = SSL_SESSION_get0_peer(const_cast<ssl_session_st*>(session));
  if (peer == nullptr) return mode_ != ClientAuth::Mode::require;
  const auto until = wall_of(X509_get0_notAfter(peer));
  const bool list_over = crl_until_ && *crl_until_ <= now;
  return until && now < *until && !list_over;
}

std::shared_ptr<const ClientCertificate> client_certificate(const ssl_st* ssl) {
  X509* peer = SSL_get0_peer_certificate(ssl);
  if (peer == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) return nullptr;
  auto out = std::make_shared<ClientCertificate>();
  out->subject = rfc2253(X509_get_subject_name(peer));
  out->issuer = rfc2253(X509_get_issuer_name(peer));
  out->serial = serial_of(peer);
  out->fingerprint = hex(sha256(der<i2d_X509>(peer)));
  out->san = alternative_names(peer);
  ERR_clear_error();
  return out;
}

}  // namespace gatehouse::tls::detail

namespace gatehouse::tls {

Result<void> check_roots(std::string_view pem) {
  const detail::StoreHandle store(X509_STORE_new());
  return detail::add_certificates(store.get(), pem);
}

Result<void> check_revocation_lists(std::string_view pem) {
  const detail::StoreHandle store(X509_STORE_new());
  auto added = detail::add_lists(store.get(), pem);
  if (!added) return std::move(added).error();
  return {};
}

}  // namespace gatehouse::tls
