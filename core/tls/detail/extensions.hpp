#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.hpp"

struct X509_extension_st;  // OpenSSL's certificate extension

namespace gatehouse::tls::detail {

using Extension = std::shared_ptr<X509_extension_st>;
enum class Critical : bool { no, yes };

/// An extension by its dotted object identifier and DER value.
Result<Extension> make_extension(const char* oid, Critical critical, std::string_view value);

/// The DER value of subjectAltName: dNSName for names, iPAddress for addresses.
Result<std::string> alt_names_value(const std::vector<std::string>& names);

inline constexpr const char* oid_alt_names = "2.5.29.17";
inline constexpr const char* oid_tls_feature = "1.3.6.1.5.5.7.1.24";      // RFC 7633
inline constexpr const char* oid_acme_identifier = "1.3.6.1.5.5.7.1.31";  // RFC 8737

}  // namespace gatehouse::tls::detail
