#include <mutex>
#include <optional>

#include "core/base/host.hpp"
#include "core/tls/certificate.hpp"
#include "core/tls/detail/policy.hpp"
#include "core/tls/detail/session.hpp"
#include "core/tls/detail/system_roots.hpp"
#include "core/tls/handles.hpp"
#include "core/tls/tls_stream.hpp"

namespace gatehouse::tls {
namespace {

using detail::Session;

/// RFC 7301 §3.1: each name behind its length.
Result<std::string> alpn_list(const std::vector<std::string>& protocols) {
  std::string out;
  for (const std::string& protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255) {
      return Error(Fault::bad_message, Side::self, "ALPN: a name has 1 to 255 octets");
    }
    out += static_cast<char>(protocol.size());
    out += protocol;
  }
  return out;
}

class OpenClientPolicy final : public ClientPolicy {
 public:
  Result<void> open(const Settings& settings);
  Result<void> ready() const override;
  SSL_CTX* context() const { return context_.get(); }
  const RecordLimits& limits() const { return limits_; }
  /// Null: what the context trusts already.
  X509_STORE* roots() const { return roots_.get(); }

 private:
  Result<void> build(const Settings& settings) const;
  Result<void> make_ready() const;

  RecordLimits limits_;
  bool system_roots_ = false;
  std::optional<Settings> later_;  // what it is built of when it is first needed
  mutable SslContext context_;
  mutable std::once_flag once_;
  mutable Result<void> made_ready_;
  mutable std::shared_ptr<X509_STORE> roots_;
};

/// What holds nothing of its own is built when it is first needed: many are made and never used,
/// and a context costs a tenth of a start.
Result<void> OpenClientPolicy::open(const Settings& settings) {
  limits_ = settings.limits;
  system_roots_ = settings.verify && settings.roots_file.empty();
  if (settings.roots_pem.empty() && settings.roots_file.empty() && !settings.identity) {
    const auto protocols = alpn_list(settings.alpn);
    if (!protocols) return protocols.error();
    later_ = settings;
    return {};
  }
  return build(settings);
}

Result<void> OpenClientPolicy::ready() const {
  std::call_once(once_, [this] { made_ready_ = make_ready(); });
  return made_ready_;
}

Result<void> OpenClientPolicy::make_ready() const {
  if (later_) {
    if (auto built = build(*later_); !built) return built;
  }
  if (!system_roots_) return {};
  roots_ = detail::system_roots();
  if (!roots_) return openssl_error("the system's trusted roots");
  return {};
}

Result<void> OpenClientPolicy::build(const Settings& settings) const {
  context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const context = context_.get();
  if (context == nullptr) return openssl_error("TLS client");
  auto protocols = alpn_list(settings.alpn);
  if (!protocols) return protocols.error();
  if (!detail::set_up(context, TLS1_2_VERSION) ||
      SSL_CTX_set_alpn_protos(context, octets(*protocols),
                              static_cast<unsigned>(protocols->size())) != 0) {
    return openssl_error("TLS client");
  }
  SSL_CTX_set_verify(context, settings.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (!settings.roots_pem.empty()) {
    auto added = detail::add_certificates(SSL_CTX_get_cert_store(context), settings.roots_pem);
    if (!added) return added;
  } else if (!settings.roots_file.empty() &&
             SSL_CTX_load_verify_file(context, settings.roots_file.c_str()) != 1) {
    return openssl_error("roots file " + settings.roots_file);
  }
  if (const auto& identity = settings.identity) {
    if (SSL_CTX_use_cert_and_key(context, identity->leaf(), identity->key().handle(),
                                 identity->chain(), 1) != 1) {
      return openssl_error("client certificate");
    }
  }
  return {};
}

/// What the server must prove to be, and the name it is told (never an address: RFC 6066 §3).
bool expect(SSL* ssl, const std::string& server_name) {
  X509_VERIFY_PARAM* const rules = SSL_get0_param(ssl);
  if (as_address(server_name)) {
    return X509_VERIFY_PARAM_set1_ip_asc(rules, server_name.c_str()) == 1;
  }
  // RFC 9525 §2: a name in the subject proves nothing.
  X509_VERIFY_PARAM_set_hostflags(
      rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return SSL_set_tlsext_host_name(ssl, server_name.c_str()) == 1 &&
         X509_VERIFY_PARAM_set1_host(rules, server_name.data(), server_name.size()) == 1;
}

}  // namespace

Result<std::shared_ptr<const ClientPolicy>> ClientPolicy::make(const Settings& settings) {
  auto policy = std::make_shared<OpenClientPolicy>();
  auto opened = policy->open(settings);
  if (!opened) return opened.error();
  return std::shared_ptr<const ClientPolicy>(std::move(policy));
}

awaitable<Result<std::unique_ptr<net::Stream>>> connect_tls(
    std::unique_ptr<net::Stream> under, std::shared_ptr<const ClientPolicy> policy,
    std::string server_name, std::vector<std::string> alpn) {
  const auto& open_policy = static_cast<const OpenClientPolicy&>(*policy);
  const RecordLimits limits = open_policy.limits();
  if (const auto ready = policy->ready(); !ready) co_return ready.error();
  Session session(open_policy.context(), std::move(under));
  SSL_set_connect_state(session.ssl());
  if (open_policy.roots()) SSL_set1_verify_cert_store(session.ssl(), open_policy.roots());
  if (!expect(session.ssl(), server_name)) {
    co_return openssl_error("server name '" + server_name + "'");
  }
  if (!alpn.empty()) {
    auto protocols = alpn_list(alpn);
    if (!protocols) co_return protocols.error();
    const auto size = static_cast<unsigned>(protocols->size());
    if (SSL_set_alpn_protos(session.ssl(), octets(*protocols), size) != 0)
      co_return openssl_error("ALPN");
  }
  for (;;) {
    const Session::Next next = session.shake();
    if (next == Session::Next::failed || next == Session::Next::suspended) {
      session.wire().flush();
      co_return session.problem();
    }
    auto flushed = co_await detail::flush(session.wire());
    if (!flushed) co_return flushed.error();
    if (next == Session::Next::done) break;
    auto ready = co_await session.wire().under().wait(net::Want::read);
    if (!ready) co_return ready.error();
  }
  SessionFacts facts = session.facts();
  facts.sni = server_name;
  std::unique_ptr<net::Stream> stream =
      detail::make_records(std::move(session), std::move(facts), std::move(policy), limits);
  co_return std::move(stream);
}

}  // namespace gatehouse::tls
