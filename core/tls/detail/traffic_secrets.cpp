#include "core/tls/detail/traffic_secrets.hpp"

#include <algorithm>

#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {
namespace {

bool same_octets(std::span<const unsigned char> a, std::span<const unsigned char> b) {
  return !a.empty() && a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

void TrafficSecrets::Heard::put(std::span<const unsigned char> heard) {
  size = heard.size() <= room.size() ? heard.size() : 0;
  std::copy_n(heard.begin(), size, room.begin());
}

void TrafficSecrets::Heard::wipe() { OPENSSL_cleanse(room.data(), room.size()); }

TrafficKey TrafficSecrets::Direction::all() const {
  TrafficKey out(secret.octets());
  out.key = key.octets();
  out.iv = iv.octets();
  return out;
}

void TrafficSecrets::Direction::hear(std::string_view label, std::span<const unsigned char> out) {
  if (label == "key") key.put(out);
  if (label == "iv") iv.put(out);
}

void TrafficSecrets::Direction::wipe() {
  secret.wipe();
  key.wipe();
  iv.wipe();
}

TrafficSecrets::~TrafficSecrets() {
  client_.wipe();
  server_.wipe();
}

void TrafficSecrets::hear(std::string_view label, std::span<const unsigned char> from,
                          std::span<const unsigned char> out) noexcept {
  if (label == "c ap traffic") client_.secret.put(out);
  if (label == "s ap traffic") server_.secret.put(out);
  if (same_octets(client(), from)) client_.hear(label, out);
  if (same_octets(server(), from)) server_.hear(label, out);
}

}  // namespace gatehouse::tls::detail
