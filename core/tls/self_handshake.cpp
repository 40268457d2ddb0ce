#include "core/tls/self_handshake.hpp"

#include <new>

#include "core/base/host.hpp"
#include "core/tls/detail/policy.hpp"
#include "core/tls/handles.hpp"

namespace gatehouse::tls {
namespace {

using detail::OpenPolicy;

constexpr int most_flights = 10;  // a handshake without resumption takes four

Error refused(std::string_view doing, std::string why) {
  return Error(Fault::bad_message, Side::ca,
               "handshake with ourselves: " + std::string(doing) + ": " + std::move(why));
}

/// A host that the name stands for.
std::string example_of(const std::string& name) {
  return name.starts_with("*.") ? "any" + name.substr(1) : name;
}

/// A BIO for each side's way out; the other side reads from it.
bool join(SSL* server, SSL* client) {
  BIO* to_client = nullptr;
  BIO* to_server = nullptr;
  if (BIO_new_bio_pair(&to_client, 0, &to_server, 0) != 1) return false;
  SSL_set_bio(server, to_client, to_client);
  SSL_set_bio(client, to_server, to_server);
  return true;
}

/// Errors carry OpenSSL's reason.
Result<void> step(SSL* side, const char* who) {
  ERR_clear_error();
  const int result = SSL_do_handshake(side);
  if (result == 1) return {};
  const int code = SSL_get_error(side, result);
  if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE) return {};
  return refused(who, openssl_problem());
}

Result<void> shake(SSL* server, SSL* client) {
  for (int flight = 0; flight < most_flights; ++flight) {
    auto asked = step(client, "client");
    if (!asked) return asked;
    auto answered = step(server, "server");
    if (!answered) return answered;
    if (SSL_is_init_finished(client) == 1 && SSL_is_init_finished(server) == 1) return {};
  }
  return refused("client", "came to no end");
}

/// What clients ask of the digest under a signature, in bits: more than SHA-1 has (RFC 9155).
/// OpenSSL serves such a certificate from 3.5.9 on.
constexpr int least_digest_bits = 112;

bool weakly_signed(X509* certificate) {
  if ((X509_get_extension_flags(certificate) & EXFLAG_SS) != 0) return false;  // nobody checks it
  int bits = 0;
  return X509_get_signature_info(certificate, nullptr, nullptr, &bits, nullptr) == 1 &&
         bits < least_digest_bits;
}

Result<void> check_chain(SSL* client, const Certificate& certificate) {
  const STACK_OF(X509)* arrived = SSL_get_peer_cert_chain(client);
  const STACK_OF(X509)* sent = certificate.chain();
  const int extra = sent == nullptr ? 0 : sk_X509_num(sent);
  if (arrived == nullptr || sk_X509_num(arrived) != extra + 1)
    return refused("client", "another chain arrived");
  for (int n = 0; n <= extra; ++n) {
    const X509* expected = n == 0 ? certificate.leaf() : sk_X509_value(sent, n - 1);
    if (X509_cmp(sk_X509_value(arrived, n), expected) != 0)
      return refused("client", "another chain arrived");
    if (weakly_signed(sk_X509_value(arrived, n)))
      return refused("client", "signed over a digest that is too weak");
  }
  return {};
}

Result<void> check_names(SSL* client, const Certificate& certificate) {
  X509* leaf = SSL_get0_peer_certificate(client);
  for (const std::string& name : certificate.names()) {
    const std::string host = example_of(name);
    const bool fits = as_address(host)
                          ? X509_check_ip_asc(leaf, host.c_str(), 0) == 1
                          : X509_check_host(leaf, host.data(), host.size(),
                                            X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1;
    if (!fits) return refused("client", "not accepted for " + name);
  }
  return {};
}

/// Whether the root is trusted is not asked, so no chain is built either.
int any_chain(X509_STORE_CTX*, void*) { return 1; }

/// What all such handshakes share: a context costs more than the handshake's cryptography.
struct Sides {
  std::shared_ptr<OpenPolicy> server = OpenPolicy::open(PolicySettings(), nullptr).value();
  SslContext client{SSL_CTX_new(TLS_client_method())};

  Sides() {
    if (client == nullptr) throw std::bad_alloc();
    SSL_CTX_set_cert_verify_callback(client.get(), any_chain, nullptr);
  }
  /// Never freed: at exit OpenSSL's own clean-up, or a helper at work, may come first.
  static const Sides& shared() {
    static const Sides& sides = *new Sides;
    return sides;
  }
};

}  // namespace

Result<void> shake_hands_with_ourselves(const Certificate& certificate) {
  if (!certificate.key()) return refused("server", "no key");
  const SslHandle server(SSL_new(Sides::shared().server->context()));
  const SslHandle client(SSL_new(Sides::shared().client.get()));
  if (!server || !client || !join(server.get(), client.get())) throw std::bad_alloc();
  SSL_set_num_tickets(server.get(), 0);  // nobody reads them
  SSL_set_accept_state(server.get());
  SSL_set_connect_state(client.get());
  ERR_clear_error();
  if (SSL_use_cert_and_key(server.get(), certificate.leaf(), certificate.key().handle(),
                           certificate.chain(), 1) != 1)
    return refused("server", openssl_problem());
  const std::string host =
      certificate.names().empty() ? std::string() : example_of(certificate.names().front());
  if (!host.empty() && !as_address(host)) SSL_set_tlsext_host_name(client.get(), host.c_str());
  auto shaken = shake(server.get(), client.get());
  if (!shaken) return shaken;
  auto same = check_chain(client.get(), certificate);
  if (!same) return same;
  return check_names(client.get(), certificate);
}

}  // namespace gatehouse::tls
