#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace gatehouse::http {

/// Field names that rules are about, and families of them. A line's name is looked up once, when
/// the line is added; from there on rules compare numbers. Any other name is `other`.
enum class FieldName : std::uint8_t {
  other,
  underscored,  // has a '_' and may imitate another one: imitates_protected()
  alt_svc,
  authorization,
  client_cert,  // Client-Cert, Client-Cert-Chain, X-Client-Verify, X-Client-Cert*
  connection,
  content_length,
  cookie,
  date,
  expect,
  forwarded,
  host,
  http2_settings,
  keep_alive,
  proxy,
  proxy_authenticate,
  proxy_authentication_info,
  proxy_authorization,
  proxy_connection,
  referer,
  set_cookie,
  te,
  trailer,
  transfer_encoding,
  upgrade,
  user_agent,
  via,
  www_authenticate,
  x_accel,      // X-Accel-*
  x_forwarded,  // X-Forwarded-*
  x_real_ip,
  x_request_id,
  count
};

/// Letters may be of either case. Requires: no control octets.
FieldName field_name(std::string_view name);

class FieldNames {
 public:
  constexpr FieldNames() = default;
  constexpr FieldNames(std::initializer_list<FieldName> names) {
    for (const FieldName name : names) add(name);
  }
  constexpr void add(FieldName name) { bits_ |= bit(name); }
  constexpr bool has(FieldName name) const { return (bits_ & bit(name)) != 0; }
  constexpr bool has_any(FieldNames names) const { return (bits_ & names.bits_) != 0; }
  constexpr FieldNames operator|(FieldNames other) const {
    other.bits_ |= bits_;
    return other;
  }

 private:
  static constexpr std::uint64_t bit(FieldName name) {
    static_assert(static_cast<unsigned>(FieldName::count) <= 64);
    return std::uint64_t{1} << static_cast<unsigned>(name);
  }
  std::uint64_t bits_ = 0;
};

}  // namespace gatehouse::http
