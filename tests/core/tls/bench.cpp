#include "tests/core/tls/bench.hpp"

namespace gatehouse::tls::test {
namespace {

using std::chrono::hours;

PrivateKey key_of(KeyType type) {
  static std::map<KeyType, PrivateKey> made;  // RSA keys are slow to make
  PrivateKey& key = made[type];
  if (!key) key = PrivateKey::generate(type).value();
  return key;
}

Validity now_valid() {
  const Wall now = std::chrono::system_clock::now();  // raw clients look at the real clock
  return {now - hours(1), now + hours(24)};
}

}  // namespace

const CertificateAuthority& test_root() {
  static const CertificateAuthority root =
      CertificateAuthority::make_root("Test Root", key_of(KeyType::p256), now_valid()).value();
  return root;
}

CertificatePointer certificate_for(const std::string& host, KeyType type) {
  const PrivateKey key = type == KeyType::p256 ? PrivateKey::generate(type).value() : key_of(type);
  return Certificate::parse(test_root().issue({host}, key, now_valid()).value(), key).value();
}

CertificateHandle certificates_for(const std::string& host) {
  return make_certificate_set({certificate_for(host)});
}

ServerEnd::ServerEnd(const RecordLimits& limits) {
  auto stream = std::make_unique<ScriptedStream>(script, clock);
  shake = ServerHandshake::make(std::move(stream), *this, limits);
}

HelloAnswer ServerEnd::judge(const Hello& hello) noexcept {
  ++asked;
  seen = hello;
  seen_name = std::string(hello.server_name);
  seen.server_name = {};
  return answer(hello);
}

void ServerEnd::serve(std::shared_ptr<const ServerPolicy> policy, CertificateHandle certificates) {
  answer = [policy = std::move(policy), certificates = std::move(certificates)](const Hello&) {
    HelloAnswer out;
    out.kind = HelloAnswer::Kind::serve;
    out.policy = policy;
    out.certificates = certificates;
    return out;
  };
}

void ServerEnd::start() {
  step.reset();
  asio::co_spawn(io, run(), asio::detached);
  settle();
}

void ServerEnd::settle() {
  io.restart();
  io.poll();
}

awaitable<void> ServerEnd::run() {
  auto result = co_await shake->run();
  step = std::move(result);
}

RawClient::RawClient() : context(SSL_CTX_new(TLS_client_method())) {
  ssl.reset(SSL_new(context.get()));
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(ssl.get());
}

void RawClient::exchange(ServerEnd& server) {
  BIO* const said = SSL_get_wbio(ssl.get());
  std::string piece(BIO_ctrl_pending(said), '\0');
  if (BIO_read(said, piece.data(), int_size(piece)) > 0) server.script->send(piece);
  server.settle();
  const std::string back = server.script->take_written();
  if (!back.empty()) BIO_write(SSL_get_rbio(ssl.get()), back.data(), int_size(back));
}

bool RawClient::shake(ServerEnd& server) {
  for (int round = 0; round < 10; ++round) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl.get());
    const bool over = result != 1 && SSL_get_error(ssl.get(), result) != SSL_ERROR_WANT_READ;
    if (over) alert = openssl_problem();
    exchange(server);
    if (result == 1) return true;
    if (over) return false;
  }
  return false;
}

std::string RawClient::read(ServerEnd& server) {
  std::string out;
  for (int round = 0; round < 3; ++round) {
    exchange(server);
    char buffer[16 * 1024];
    std::size_t got = 0;
    while (SSL_read_ex(ssl.get(), buffer, sizeof buffer, &got) == 1) out.append(buffer, got);
  }
  ERR_clear_error();
  return out;
}

void RawClient::write(ServerEnd& server, std::string_view plain) {
  std::size_t put = 0;
  REQUIRE(SSL_write_ex(ssl.get(), plain.data(), plain.size(), &put) == 1);
  REQUIRE(put == plain.size());
  exchange(server);
}

std::string RawClient::alpn_selected() const {
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl.get(), &protocol, &size);
  return std::string(text(protocol, size));
}

std::string RawClient::peer_key() const {
  X509* peer = SSL_get0_peer_certificate(ssl.get());
  if (peer == nullptr) return "none";
  return EVP_PKEY_get_base_id(X509_get0_pubkey(peer)) == EVP_PKEY_RSA ? "rsa" : "ecdsa";
}

}  // namespace gatehouse::tls::test
