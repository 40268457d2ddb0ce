#include "core/tls/server_context.hpp"

#include <algorithm>
#include <cstring>

#include "core/base/bytes.hpp"
#include "core/tls/detail/key_schedule.hpp"
#include "core/tls/detail/policy.hpp"
#include "core/tls/detail/wiped_memory.hpp"
#include "core/tls/digest.hpp"
#include "core/tls/handles.hpp"

namespace gatehouse::tls {
namespace detail {
namespace {

// Forward secrecy and AEAD alone (RFC 9325 §4.2); which of them is the client's choice.
constexpr const char* default_suites =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

HandshakeHooks* hooks_of(SSL* ssl) { return static_cast<HandshakeHooks*>(SSL_get_app_data(ssl)); }

int on_client_hello(SSL* ssl, int* alert, void*) noexcept {
  HandshakeHooks* hooks = hooks_of(ssl);
  return hooks != nullptr ? hooks->client_hello(ssl, alert) : SSL_CLIENT_HELLO_ERROR;
}

int on_server_name(SSL*, int*, void*) noexcept {
  // Decided long ago, in the ClientHello callback; this makes the answer confirm the name.
  return SSL_TLSEXT_ERR_OK;
}

int on_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_size,
            const unsigned char* offered, unsigned int offered_size, void*) noexcept {
  const HandshakeHooks* hooks = hooks_of(ssl);
  if (hooks == nullptr) return SSL_TLSEXT_ERR_ALERT_FATAL;
  if (hooks->alpn().empty()) return SSL_TLSEXT_ERR_NOACK;
  for (const std::string& ours : hooks->alpn()) {
    for (unsigned int at = 0; at < offered_size; at += 1U + offered[at]) {
      const unsigned char size = offered[at];
      if (at + 1U + size > offered_size) break;
      if (text(offered + at + 1, size) == ours) {
        *out = offered + at + 1;
        *out_size = size;
        return SSL_TLSEXT_ERR_OK;
      }
    }
  }
  // RFC 7301 §3.2: no_application_protocol. Talking on would let one protocol be taken for another.
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
              EVP_MAC_CTX* mac, int encrypt) noexcept {
  try {
    const HandshakeHooks* hooks = hooks_of(ssl);
    const PolicyTickets* tickets = hooks != nullptr ? hooks->tickets() : nullptr;
    // To open: what comes out is the session's secret.
    if (encrypt == 0) detail::WipedMemory::ask();
    if (tickets == nullptr) return 0;
    return encrypt != 0 ? tickets->seal(name, iv, cipher, mac)
                        : tickets->open(name, iv, cipher, mac);
  } catch (...) {
    return -1;  // no memory
  }
}

/// One is to be made. OpenSSL lays the session's secret out, and reads it back, even before it asks
/// for a key.
int before_ticket(SSL*, void*) noexcept {
  detail::WipedMemory::ask();
  return 1;
}

/// A ticket was opened, or could not be.
SSL_TICKET_RETURN on_session(SSL* ssl, SSL_SESSION* session, const unsigned char*, std::size_t,
                             SSL_TICKET_STATUS status, void*) noexcept {
  detail::WipedMemory::enough();
  const HandshakeHooks* hooks = hooks_of(ssl);
  const bool good = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
  if (!good || hooks == nullptr || !hooks->resumes(session)) return SSL_TICKET_RETURN_IGNORE_RENEW;
  // In TLS 1.3 a client uses each ticket once and wants another for its next connection (RFC 8446
  // §C.4).
  const bool enough = status == SSL_TICKET_SUCCESS && SSL_version(ssl) < TLS1_3_VERSION;
  return enough ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/// Other roots, or another list, make another policy: with it go all its tickets, and requests on
/// connections of before.
std::string id_of(const ClientAuth& auth) {
  if (auth.mode == ClientAuth::Mode::off) return {};
  const bool require = auth.mode == ClientAuth::Mode::require;
  return (require ? " require " : " request ") + hex(sha256(auth.roots)) + ' ' +
         hex(sha256(auth.crl));
}

std::string id_of(const PolicySettings& settings) {
  std::string id = "tls1." + std::to_string(settings.min_version - 10) + " " + settings.ciphers;
  for (const std::string& protocol : settings.alpn) id += " " + protocol;
  return id + id_of(settings.client_auth);
}

std::string probe_groups() {
  std::string known;
  const SslContext context(new_context(TLS_server_method()));
  for (const char* group : {"X25519MLKEM768", "X25519", "P-256", "P-384"}) {
    // One by one: a list with one unknown name fails as a whole.
    if (SSL_CTX_set1_groups_list(context.get(), group) != 1) continue;
    known += (known.empty() ? "" : ":") + std::string(group);
  }
  ERR_clear_error();
  return known;
}

}  // namespace

ssl_ctx_st* new_context(const ssl_method_st* method) {
  return SSL_CTX_new_ex(nullptr, provider_query(), method);
}

const std::string& groups() {
  static const std::string known = probe_groups();
  return known;
}

bool set_up(ssl_ctx_st* context, int min_protocol) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  return SSL_CTX_set_min_proto_version(context, min_protocol) == 1 &&
         SSL_CTX_set1_groups_list(context, groups().c_str()) == 1;
}

int OpenPolicy::min_protocol() const {
  return settings_.min_version >= 13 ? TLS1_3_VERSION : TLS1_2_VERSION;
}

Result<std::shared_ptr<OpenPolicy>> OpenPolicy::open(const PolicySettings& settings,
                                                     std::shared_ptr<TicketKeys> keys) {
  std::shared_ptr<OpenPolicy> out(new OpenPolicy);
  out->settings_ = settings;
  out->id_ = std::make_shared<const std::string>(id_of(settings));
  if (keys) out->tickets_ = std::make_unique<PolicyTickets>(std::move(keys), out->id());
  if (settings.client_auth.mode != ClientAuth::Mode::off) {
    auto trust = ClientTrust::make(settings.client_auth);
    if (!trust) return trust.error();
    out->trust_ = std::move(*trust);
    out->crl_until_ = out->trust_->crl_until();
  }
  auto built = out->build();
  if (!built) return built.error();
  return out;
}

Result<void> OpenPolicy::build() {
  context_ = {new_context(TLS_server_method()), SSL_CTX_free};
  SSL_CTX* const context = context_.get();
  if (context == nullptr) return openssl_error("TLS policy");
  if (!set_up(context, min_protocol())) return openssl_error("TLS policy");
  SSL_CTX_set_timeout(context, std::chrono::seconds(TicketKeys::ticket_life).count());
  if (tickets_ == nullptr) SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  const std::string session_context = sha256("policy " + id());
  const bool custom = settings_.ciphers != "default";
  const char* suites = custom ? settings_.ciphers.c_str() : default_suites;
  if (SSL_CTX_set_cipher_list(context, suites) != 1) {
    ERR_clear_error();
    return Error(Fault::bad_message, Side::self,
                 "ciphers '" + settings_.ciphers + "': OpenSSL knows none of them");
  }
  if (SSL_CTX_set_session_id_context(context, octets(session_context),
                                     static_cast<unsigned>(session_context.size())) != 1) {
    return openssl_error("TLS policy");
  }
  if (trust_ && !trust_->attach(context)) return openssl_error("TLS policy");
  SSL_CTX_set_session_ticket_cb(context, before_ticket, on_session, nullptr);
  SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
  SSL_CTX_set_alpn_select_cb(context, on_alpn, nullptr);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
  const STACK_OF(SSL_CIPHER)* ciphers = SSL_CTX_get_ciphers(context);
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(ciphers, i);
    const int auth = SSL_CIPHER_get_auth_nid(cipher);
    if (auth == NID_auth_ecdsa) ecdsa_suites_.push_back(SSL_CIPHER_get_protocol_id(cipher));
    if (auth == NID_auth_rsa) rsa_suites_.push_back(SSL_CIPHER_get_protocol_id(cipher));
  }
  return {};
}

const OpenPolicy& OpenPolicy::front() {
  // SSL_set_SSL_CTX leaves with the SSL what it was made with (options, mode, groups, and the
  // context whose ticket callback is asked): so this one is built like all others. It alone asks
  // for the ClientHello: after a HelloRetryRequest the first decision stands.
  //
  // Never freed: at exit OpenSSL's own clean-up, or a thread that still serves, may come first.
  static const auto& policy = *new std::shared_ptr<OpenPolicy>([] {
    auto made = open(PolicySettings(), nullptr);
    auto front_policy = std::move(made).value();
    SSL_CTX_clear_options(front_policy->context(), SSL_OP_NO_TICKET);
    SSL_CTX_set_client_hello_cb(front_policy->context(), on_client_hello, nullptr);
    return front_policy;
  }());
  return *policy;
}

}  // namespace detail

Result<std::shared_ptr<const ServerPolicy>> ServerPolicy::make(
    const PolicySettings& settings, std::shared_ptr<TicketKeys> tickets) {
  auto made = detail::OpenPolicy::open(settings, std::move(tickets));
  if (!made) return made.error();
  return std::shared_ptr<const ServerPolicy>(std::move(*made));
}

}  // namespace gatehouse::tls
