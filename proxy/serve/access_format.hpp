#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.hpp"
#include "core/http/message.hpp"
#include "proxy/serve/line_text.hpp"
#include "proxy/serve/request_facts.hpp"

namespace gatehouse::serve {

/// How a line is written: part of the snapshot, so that a reload changes it.
class AccessFormat {
 public:
  enum class Kind : std::uint8_t { json, combined };

  explicit AccessFormat(const config::Log& log);
  /// Appends the line of one finished exchange, newline included: always one valid JSON object, or
  /// one line in the combined format of Apache and nginx. Octets from outside are escaped and cut
  /// short. `hash_key` is what fields under `hash` are keyed with.
  void write(LineText& out, const http::RequestHead& request, const RequestFacts& facts,
             Steady ended, std::string_view hash_key) const;

  /// Every field that access_fields may name, in the order of config::access_field_names.
  enum Name : std::uint8_t {
    ts,
    id,
    client_ip,
    peer,
    method,
    scheme,
    host,
    path,
    query,
    proto,
    status,
    bytes_in,
    bytes_out,
    seconds,
    tls,
    tls_version,
    tls_cipher,
    tls_sni,
    tls_alpn,
    tls_resumed,
    tls_client_subject,
    tls_client_serial,
    tls_client_fingerprint,
    site,
    route,
    backend,
    backend_name,
    backend_server,
    backend_seconds,
    backend_attempts,
    backend_reused,
    user_agent,
    referer,
    error,
    names
  };
  enum class Treatment : std::uint8_t { plain, drop, hash, redact };

 private:
  void treat(const std::vector<std::string>& fields, Treatment treatment);

  Kind kind_ = Kind::json;
  std::array<Treatment, names> treatment_{};
};

}  // namespace gatehouse::serve
