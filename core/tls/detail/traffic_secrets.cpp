#include "core/tls/detail/traffic_secrets.hpp"

#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {
namespace {

/// -1: none.
int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

TrafficSecrets::~TrafficSecrets() {
  OPENSSL_cleanse(client_.octets.data(), client_.octets.size());
  OPENSSL_cleanse(server_.octets.data(), server_.octets.size());
}

void TrafficSecrets::hear(std::string_view line) noexcept {
  Direction* heard = nullptr;
  if (line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")) heard = &client_;
  if (line.starts_with("SERVER_TRAFFIC_SECRET_0 ")) heard = &server_;
  if (heard == nullptr) return;
  heard->size = 0;
  const std::string_view secret = line.substr(line.rfind(' ') + 1);
  if (secret.size() > 2 * heard->octets.size() || secret.size() % 2 != 0) return;
  for (std::size_t at = 0; at < secret.size(); at += 2) {
    const int high = digit(secret[at]);
    const int low = digit(secret[at + 1]);
    if (high < 0 || low < 0) return;
    heard->octets[at / 2] = static_cast<unsigned char>(high << 4 | low);
  }
  heard->size = secret.size() / 2;
}

}  // namespace gatehouse::tls::detail
