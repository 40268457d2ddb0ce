#include <algorithm>

#include "core/tls/certificate.hpp"
#include "core/tls/detail/client_hello.hpp"
#include "core/tls/detail/key_schedule.hpp"
#include "core/tls/detail/policy.hpp"
#include "core/tls/detail/session.hpp"
#include "core/tls/detail/traffic_secrets.hpp"
#include "core/tls/handles.hpp"
#include "core/tls/tls_stream.hpp"

namespace gatehouse::tls {
namespace {

using detail::ClientOffer;
using detail::OpenPolicy;
using detail::Session;

constexpr std::uint8_t internal_error = 80;

const std::vector<std::string>& challenge_protocol() {
  static const std::vector<std::string> protocol{"acme-tls/1"};
  return protocol;
}

class ServerShake final : public ServerHandshake, private detail::HandshakeHooks {
 public:
  ServerShake(std::unique_ptr<net::Stream> under, HelloJudge& judge, const RecordLimits& limits)
      : judge_(judge), session_(OpenPolicy::front().context(), std::move(under)), limits_(limits) {
    SSL_set_accept_state(session_.ssl());
    SSL_set_app_data(session_.ssl(), static_cast<HandshakeHooks*>(this));
    // Which policy it will be the ClientHello tells, and that has to be read first.
    SSL_set_read_ahead(session_.ssl(), 0);
    session_.wire().read_ahead();
  }

  awaitable<Result<Step>> run() override;
  const std::string& wanted_name() const override { return facts_.sni; }
  void refuse(std::uint8_t alert) override;
  const SessionFacts& facts() const override { return facts_; }
  bool plain_http() const override { return session_.plain_http(); }
  Turned turned_away() const override { return session_.turned_away(); }
  std::unique_ptr<net::Stream> finish() override;
  net::Stream& under() override { return session_.wire().under(); }

 private:
  int client_hello(ssl_st* ssl, int* alert) noexcept override;
  const std::vector<std::string>& alpn() const noexcept override {
    return facts_.challenge ? challenge_protocol() : policy().settings().alpn;
  }
  const detail::PolicyTickets* tickets() const noexcept override { return policy().tickets(); }

  bool resumes(const ssl_session_st* session) const noexcept override {
    const detail::ClientTrust* trust = policy().trust();
    if (trust == nullptr) return true;
    try {
      return trust->resumes(session, std::chrono::system_clock::now());
    } catch (...) {
      return false;  // no memory
    }
  }

  Session::Next shake() {
    const detail::Hearing hearing(secrets_);
    return session_.shake();
  }
  static void on_record(int written, int, int kind, const void*, std::size_t, SSL*,
                        void* secrets) noexcept;

  const OpenPolicy& policy() const {
    return policy_ ? static_cast<const OpenPolicy&>(*policy_) : OpenPolicy::front();
  }
  HelloAnswer ask(const ClientOffer& offer);
  bool follow(ssl_st* ssl, const ClientOffer& offer, HelloAnswer answer);
  bool attach(ssl_st* ssl, const ClientOffer& offer, const CertificateSet& certificates);

  HelloJudge& judge_;
  std::shared_ptr<const ServerPolicy> policy_;
  std::unique_ptr<detail::TrafficSecrets> secrets_;  // null: the SSL stays
  Session session_;
  RecordLimits limits_;
  SessionFacts facts_;
  bool decided_ = false;
  bool refused_ = false;
  std::uint8_t alert_ = 0;
};

/// What OpenSSL calls with all it reads and writes; we count records.
void ServerShake::on_record(int written, int, int kind, const void*, std::size_t, SSL*,
                            void* secrets) noexcept {
  if (kind != SSL3_RT_HEADER) return;
  auto& heard = *static_cast<detail::TrafficSecrets*>(secrets);
  if (written != 0) {
    heard.wrote_record();
  } else {
    heard.read_record();
  }
}

HelloAnswer ServerShake::ask(const ClientOffer& offer) {
  const OpenPolicy& front = OpenPolicy::front();
  Hello hello;
  hello.server_name = offer.server_name;
  hello.bad_server_name = offer.bad_server_name;
  hello.offers_acme_tls_alpn = offer.acme_tls_alone;
  hello.accepts_ecdsa =
      accepts(offer, KeyType::p256, front) || accepts(offer, KeyType::p384, front);
  hello.accepts_rsa = accepts(offer, KeyType::rsa2048, front);
  return judge_.judge(hello);
}

int ServerShake::client_hello(ssl_st* ssl, int* alert) noexcept {
  try {
    *alert = alert_;
    if (refused_) return SSL_CLIENT_HELLO_ERROR;
    // The second ClientHello, after a HelloRetryRequest: the first decision stands.
    if (decided_) return SSL_CLIENT_HELLO_SUCCESS;
    const ClientOffer offer = detail::read_offer(ssl);
    facts_.sni = offer.server_name;
    HelloAnswer answer = ask(offer);
    if (answer.kind == HelloAnswer::Kind::wait) return SSL_CLIENT_HELLO_RETRY;
    decided_ = true;
    if (answer.kind == HelloAnswer::Kind::refuse) {
      refused_ = true;
      *alert = alert_ = answer.alert;
      return SSL_CLIENT_HELLO_ERROR;
    }
    *alert = internal_error;
    return follow(ssl, offer, std::move(answer)) ? SSL_CLIENT_HELLO_SUCCESS
                                                 : SSL_CLIENT_HELLO_ERROR;
  } catch (...) {
    *alert = internal_error;  // no memory
    return SSL_CLIENT_HELLO_ERROR;
  }
}

bool ServerShake::follow(ssl_st* ssl, const ClientOffer& offer, HelloAnswer answer) {
  facts_.challenge = answer.kind == HelloAnswer::Kind::challenge;
  if (!answer.certificates || answer.certificates->by_preference.empty()) return false;
  if (!facts_.challenge) {
    if (!answer.policy) return false;
    policy_ = std::move(answer.policy);
    // Brings the policy's suites and session context; what was copied when the SSL was made
    // (options, groups) is the same for all policies, but for the lowest version.
    if (SSL_set_SSL_CTX(ssl, policy().context()) == nullptr) return false;
    if (SSL_set_min_proto_version(ssl, policy().min_protocol()) != 1) return false;
    facts_.policy_id = policy_->shared_id();
    if (policy().trust() != nullptr) policy().trust()->demand(ssl);
    if (policy().settings().lean_records && offer.tls13) {
      secrets_ = std::make_unique<detail::TrafficSecrets>();
      SSL_set_msg_callback(ssl, on_record);
      SSL_set_msg_callback_arg(ssl, secrets_.get());
    }
  }
  if (policy().tickets() == nullptr) {
    SSL_set_options(ssl, SSL_OP_NO_TICKET);
    SSL_set_num_tickets(ssl, 0);
  }
  return attach(ssl, offer, *answer.certificates);
}

bool ServerShake::attach(ssl_st* ssl, const ClientOffer& offer,
                         const CertificateSet& certificates) {
  const auto& all = certificates.by_preference;
  auto chosen = std::find_if(all.begin(), all.end(), [&](const CertificatePointer& each) {
    return accepts(offer, each->key_type(), policy());
  });
  // Nothing the client can use: OpenSSL finds the words for that.
  if (chosen == all.end()) chosen = all.begin();
  const Certificate& certificate = **chosen;
  return SSL_use_cert_and_key(ssl, certificate.leaf(), certificate.key().handle(),
                              certificate.chain(), 1) == 1;
}

awaitable<Result<ServerHandshake::Step>> ServerShake::run() {
  for (;;) {
    const Session::Next next = shake();
    if (next == Session::Next::failed) {
      session_.wire().flush();  // the alert, if there is room for it
      if (!refused_) co_return session_.problem();
      co_return Error(Fault::denied, under().side(),
                      "TLS handshake: refused with alert " + std::to_string(alert_));
    }
    auto flushed = co_await detail::flush(session_.wire());
    if (!flushed) co_return flushed.error();
    if (next == Session::Next::suspended) co_return Step::suspended;
    if (next == Session::Next::done) {
      SessionFacts facts = session_.facts();
      facts.sni = std::move(facts_.sni);
      facts.policy_id = std::move(facts_.policy_id);
      facts.challenge = facts_.challenge;
      if (policy().trust() != nullptr) facts.client = detail::client_certificate(session_.ssl());
      facts_ = std::move(facts);
      co_return Step::done;
    }
    auto ready = co_await session_.wire().under().wait(net::Want::read);
    if (!ready) co_return ready.error();
  }
}

void ServerShake::refuse(std::uint8_t alert) {
  refused_ = true;
  alert_ = alert;
  session_.shake();
  session_.wire().flush();
}

std::unique_ptr<net::Stream> ServerShake::finish() {
  SSL* const ssl = session_.ssl();
  SSL_set_app_data(ssl, nullptr);
  SSL_set_msg_callback(ssl, nullptr);
  if (secrets_) {
    auto lean = detail::make_lean_records(session_, facts_, *secrets_, limits_);
    secrets_.reset();
    if (lean) return lean;
  }
  session_.wire().read_on();
  SSL_set_read_ahead(ssl, 1);
  return detail::make_records(std::move(session_), facts_, std::move(policy_), limits_);
}

}  // namespace

std::unique_ptr<ServerHandshake> ServerHandshake::make(std::unique_ptr<net::Stream> under,
                                                       HelloJudge& judge,
                                                       const RecordLimits& limits) {
  return std::make_unique<ServerShake>(std::move(under), judge, limits);
}

}  // namespace gatehouse::tls
