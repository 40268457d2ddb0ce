#pragma once

#include <string>
#include <vector>

#include "core/base/error.hpp"
#include "core/tls/key.hpp"

namespace gatehouse::tls {

enum class MustStaple : std::uint8_t { no, yes };

/// DER of a PKCS#10 request (RFC 2986) for names and IP addresses in normal_host() form: an empty
/// subject, the names in the subject alternative name extension alone.
Result<std::string> make_certificate_request(const std::vector<std::string>& names,
                                             const PrivateKey& key,
                                             MustStaple must_staple = MustStaple::no);

}  // namespace gatehouse::tls
