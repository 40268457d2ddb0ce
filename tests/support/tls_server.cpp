#include "tests/support/tls_server.hpp"

#include "tests/support/test_certificates.hpp"

namespace gatehouse::test {
namespace {

using std::chrono::hours;

tls::CertificateHandle issue(const std::vector<std::string>& names, tls::Validity validity) {
  const auto key = tls::PrivateKey::generate(tls::KeyType::p256).value();
  const auto chain = test_root().issue(names, key, validity).value();
  return tls::make_certificate_set({tls::Certificate::parse(chain, key).value()});
}

std::shared_ptr<tls::TicketKeys> ticket_keys() {
  static SystemEntropy entropy;
  return std::make_shared<tls::TicketKeys>(entropy, std::chrono::system_clock::now());
}

awaitable<void> answer(http::ServerExchange& exchange) {
  const std::string body = "over TLS";
  http::ResponseHead head;
  head.status = 200;
  head.length = http::BodyLength::counted(body.size());
  const auto begun = co_await exchange.send_head(head);
  if (begun) co_await exchange.send_body(body, http::End::last);
}

}  // namespace

tls::CertificateHandle server_certificate(const std::vector<std::string>& names) {
  const Wall now = std::chrono::system_clock::now();
  return issue(names, {now - hours(1), now + hours(24)});
}

tls::CertificateHandle expired_certificate(const std::vector<std::string>& names) {
  const Wall now = std::chrono::system_clock::now();
  return issue(names, {now - hours(48), now - hours(24)});
}

TlsServer::TlsServer(tls::CertificateHandle certificates, std::chrono::milliseconds idle)
    : policy_(tls::ServerPolicy::make({}, ticket_keys()).value()),
      certificates_(std::move(certificates)),
      idle_(idle) {}

tls::HelloAnswer TlsServer::judge(const tls::Hello& hello) noexcept {
  names.emplace_back(hello.server_name);
  tls::HelloAnswer out;
  out.kind = tls::HelloAnswer::Kind::serve;
  out.policy = policy_;
  out.certificates = certificates_;
  return out;
}

awaitable<void> TlsServer::serve(std::shared_ptr<TlsServer> server,
                                 std::unique_ptr<net::Stream> stream, http::H1Worker lent) {
  auto handshake = tls::ServerHandshake::make(std::move(stream), *server);
  const auto done = co_await handshake->run();
  if (!done) co_return;
  ++server->handshakes;
  const auto secure = handshake->finish();
  http::H1ServerSettings settings;
  settings.scheme = http::Scheme::any;
  settings.request_header = server->idle_;
  settings.idle = server->idle_;
  http::H1ServerConnection connection(*secure, lent, settings);
  for (;;) {
    auto exchange = co_await connection.next();
    if (!exchange || *exchange == nullptr) co_return;
    ++server->requests;
    co_await answer(**exchange);
  }
}

}  // namespace gatehouse::test
