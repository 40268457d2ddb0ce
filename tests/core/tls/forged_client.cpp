#include "tests/core/tls/forged_client.hpp"

#include <openssl/evp.h>

#include "core/base/bytes.hpp"

namespace gatehouse::tls::test {
namespace {

using detail::Suite;
using net::IoState;

/// "CLIENT_TRAFFIC_SECRET_0 random secret", the last two in hex.
void hear_secret(const SSL* ssl, const char* log) {
  const std::string_view line = log;
  const std::string_view digits = line.substr(line.rfind(' ') + 1);
  const std::string secret = from_hex(digits).value();
  const char* label = "";
  if (line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")) label = "c ap traffic";
  if (line.starts_with("SERVER_TRAFFIC_SECRET_0 ")) label = "s ap traffic";
  static_cast<detail::TrafficSecrets*>(SSL_get_app_data(ssl))
      ->hear(label, {}, {octets(secret), secret.size()});
}

}  // namespace

Forger::Forger(std::span<const unsigned char> secret, Suite suite)
    : suite_(suite), secret_(secret.begin(), secret.end()), key_(suite, secret, 0) {}

std::string Forger::seal(const std::string& inside) {
  std::string out(detail::sealed_octets(inside.size()), '\0');
  const auto type = static_cast<detail::ContentType>(inside.back());
  REQUIRE(key_.seal(type, std::string_view(inside).substr(0, inside.size() - 1), out.data()));
  out.resize(detail::sealed_octets(inside.size() - 1));
  return out;
}

std::string Forger::seal_nothing() const {
  std::array<unsigned char, 16> key{};
  std::array<unsigned char, 12> iv{};
  detail::expand_label(suite_, secret_, "key", key);
  detail::expand_label(suite_, secret_, "iv", iv);
  std::string record("\x17\x03\x03\x00\x10", 5);
  const CipherContext aead(EVP_CIPHER_CTX_new());
  std::array<unsigned char, 16> tag{};
  int moved = 0;
  EVP_EncryptInit_ex(aead.get(), EVP_aes_128_gcm(), nullptr, key.data(), iv.data());
  EVP_EncryptUpdate(aead.get(), nullptr, &moved, octets(record), 5);
  EVP_EncryptFinal_ex(aead.get(), tag.data(), &moved);
  EVP_CIPHER_CTX_ctrl(aead.get(), EVP_CTRL_AEAD_GET_TAG, 16, tag.data());
  return record + std::string(text(tag.data(), tag.size()));
}

ForgedClient::ForgedClient(bool lean, const RecordLimits& limits) : server(limits) {
  PolicySettings settings;
  settings.lean_records = lean;
  server.serve(ServerPolicy::make(settings, nullptr).value(), certificates_for("a.example"));
  server.start();
  SSL_CTX_set_keylog_callback(client.context.get(), hear_secret);
  SSL_set_app_data(client.ssl.get(), &secrets);
  SSL_set_ciphersuites(client.ssl.get(), "TLS_AES_128_GCM_SHA256");
  REQUIRE(client.shake(server));
  stream = server.shake->finish();
  REQUIRE(dynamic_cast<const TlsStream&>(*stream).lean() == lean);
  forger.emplace(secrets.client(), Suite::aes_128_gcm_sha256);
  listener.emplace(Suite::aes_128_gcm_sha256, secrets.server(), 0);
  server.script->take_written();
}

void ForgedClient::read() {
  char room[64 * 1024];
  for (;;) {
    const net::IoResult got = stream->try_read(room);
    if (got.state == IoState::done && got.bytes > 0) {
      data.append(room, got.bytes);
      continue;
    }
    end = got.state;
    return;
  }
}

std::string ForgedClient::said() {
  std::string out;
  const std::string all = server.script->take_written();
  std::string_view rest = all;
  while (!rest.empty()) {
    const auto size = static_cast<std::size_t>(static_cast<unsigned char>(rest[3]) << 8 |
                                               static_cast<unsigned char>(rest[4])) +
                      detail::header_octets;
    std::string inside(size, '\0');
    unsigned char type = 0;
    REQUIRE(listener->open(rest.substr(0, size), inside.data(), type));
    rest.remove_prefix(size);
    if (!out.empty()) out += ", ";
    if (type == 21) {
      out += (inside[0] == 2 ? "fatal " : "warning ") +
             std::to_string(static_cast<unsigned char>(inside[1]));
    } else if (type == 22) {
      out += "message " + std::to_string(static_cast<unsigned char>(inside[0]));
      listener->update();
    } else {
      out += "data";
    }
  }
  return out;
}

}  // namespace gatehouse::tls::test
