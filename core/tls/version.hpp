#pragma once

#include <string>

namespace gatehouse::tls {

/// The TLS library at run time: "OpenSSL 3.0.17 1 Jul 2025".
std::string library_version();

}  // namespace gatehouse::tls
