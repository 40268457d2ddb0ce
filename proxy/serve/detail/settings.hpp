#pragma once

#include "config/model.hpp"
#include "core/http/h1.hpp"

namespace gatehouse::serve::detail {

/// What connections of both protocols are told alike.
template <class Settings>
Settings settings_of(const config::Server& server, bool tls) {
  Settings settings;
  settings.head.header_bytes = server.limits.header_bytes;
  settings.head.header_count = server.limits.header_count;
  settings.scheme = tls ? http::Scheme::https : http::Scheme::http;
  settings.body_bytes = server.limits.body;
  settings.requests = server.limits.requests_per_connection;
  settings.min_rate = server.timeouts.min_rate;
  settings.request_header = server.timeouts.request_header;
  settings.idle = server.timeouts.idle;
  settings.read_idle = server.timeouts.read_idle;
  settings.write_idle = server.timeouts.write_idle;
  return settings;
}

}  // namespace gatehouse::serve::detail
