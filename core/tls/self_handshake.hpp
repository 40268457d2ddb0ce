#pragma once

#include "core/base/error.hpp"
#include "core/tls/certificate.hpp"

namespace gatehouse::tls {

/// A TLS handshake with ourselves, in memory: the certificate is served as every connection gets
/// it, and a client checks that what arrives is this leaf with its whole chain, and good for each
/// of its names. Whether the root is trusted is not asked. What OpenSSL would refuse to serve (a
/// weak key or digest anywhere in the chain, a key of another certificate) comes out here and not
/// at the first visitor. Burns a processor: call it on a helper.
Result<void> shake_hands_with_ourselves(const Certificate& certificate);

}  // namespace gatehouse::tls
