#pragma once

#include <array>
#include <string_view>

namespace gatehouse::config {

/// The fields of an access log's line, as `log.access_fields` names them. The writer of the lines
/// numbers them in this order.
inline constexpr auto access_field_names = std::to_array<std::string_view>({
    "ts",
    "id",
    "client_ip",
    "peer",
    "method",
    "scheme",
    "host",
    "path",
    "query",
    "proto",
    "status",
    "bytes_in",
    "bytes_out",
    "seconds",
    "tls",
    "tls.version",
    "tls.cipher",
    "tls.sni",
    "tls.alpn",
    "tls.resumed",
    "tls.client_subject",
    "tls.client_serial",
    "tls.client_fingerprint",
    "site",
    "route",
    "backend",
    "backend.name",
    "backend.server",
    "backend.seconds",
    "backend.attempts",
    "backend.reused",
    "user_agent",
    "referer",
    "error",
});

}  // namespace gatehouse::config
