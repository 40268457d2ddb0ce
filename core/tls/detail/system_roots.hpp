#pragma once

#include <memory>

#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {

/// The system's trusted roots, read when first asked for (tens of milliseconds, megabytes) and
/// shared by all who verify by them; read anew once their file has changed. Any thread. Null: they
/// cannot be read, openssl_problem() says why.
std::shared_ptr<X509_STORE> system_roots();

}  // namespace gatehouse::tls::detail
