#pragma once

#include <boost/asio/ip/address.hpp>
#include <string>

#include "core/base/asio.hpp"
#include "core/base/error.hpp"
#include "core/tls/certificate_index.hpp"

namespace gatehouse::serve {

class Worker;

/// Asks the certificate source for `host` on behalf of `client`. The source answers in its own
/// time, whatever becomes of who asked; this wait ends at once when its connection is cut.
awaitable<Result<tls::CertificateHandle>> wait_for_certificate(Worker& worker, std::string host,
                                                               asio::ip::address client);

}  // namespace gatehouse::serve
