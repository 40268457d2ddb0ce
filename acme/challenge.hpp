#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/tls/certificate_index.hpp"

namespace gatehouse::acme {

/// The challenge answers that are ready now, on one worker: HTTP-01 by token, TLS-ALPN-01 by the
/// SNI of the probe (the name, or the reverse name of an IP). Touch it on its worker only. An
/// answer stays until the authorization is final: CAs ask from several places, several times.
class ChallengeBoard {
 public:
  /// RFC 8555 §8.3. Null: not ours, the request goes its way like any path.
  const std::string* http_answer(std::string_view token) const;
  /// RFC 8737 §3. Null: no such challenge now: refuse the handshake.
  const tls::CertificateHandle* tls_answer(std::string_view server_name) const;

  void put_http(std::string token, std::string key_authorization);
  void erase_http(const std::string& token);
  void put_tls(std::string server_name, tls::CertificateHandle certificate);
  void erase_tls(const std::string& server_name);

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, std::string, Hash, std::equal_to<>> http_;
  std::unordered_map<std::string, tls::CertificateHandle, Hash, std::equal_to<>> tls_;
};

}  // namespace gatehouse::acme
